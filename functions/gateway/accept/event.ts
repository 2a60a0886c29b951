import type { CloudEvent, EventData } from '../../_shared/events.ts';
import { uuidv5 } from '../../_shared/ids.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import type { Acceptance } from '../../_shared/stores/documents/port.ts';
import { type AcceptDeps, accept, keyOf, readSubmission } from './accept.ts';
import { Submission } from './submission.ts';
import type { Writer } from './writer.ts';

/**
 * Accepts what `document.submitted` says as {@link accept} does. The same event again (`source` and `id`) is answered with
 * what came of the first, without reading anything: what its URI holds by now is the next event's business. One whose
 * `time` lies before that of what the document holds comes too late, by a retry or a replay, and changes nothing.
 */
export async function acceptEvent(
  { source, id, time }: Pick<CloudEvent, 'source' | 'id' | 'time'>,
  { document, ...rest }: Omit<EventData<'document.submitted'>, 'submitter'>,
  writer: Writer,
  deps: AcceptDeps,
  signal: AbortSignal,
): Promise<Acceptance> {
  const submission = validate(Submission, rest, 'The event data');
  const repeats = { idempotencyKey: uuidv5('submitted', source, id), keyAlone: true, time };
  const earlier = await deps.documents.acceptedUnder(writer.tenant, keyOf(repeats, writer));
  if (earlier) return earlier;
  const room = deps.bodies.open();
  try {
    return await accept(
      document,
      await readSubmission(submission, deps, room, signal),
      writer,
      deps,
      repeats,
    );
  } finally {
    room.end();
  }
}
