import type { CloudEvent, EventData } from '../../_shared/events.ts';
import { uuidv5 } from '../../_shared/ids.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import type { Acceptance } from '../../_shared/stores/documents/port.ts';
import { type AcceptDeps, accept, readSubmission } from './accept.ts';
import { Submission } from './submission.ts';
import type { Writer } from './writer.ts';

/** Accepts what `document.submitted` says as {@link accept} does. The same event again accepts nothing new. */
export async function acceptEvent(
  { source, id }: Pick<CloudEvent, 'source' | 'id'>,
  { document, ...rest }: Omit<EventData<'document.submitted'>, 'submitter'>,
  writer: Writer,
  deps: AcceptDeps,
  signal: AbortSignal,
): Promise<Acceptance> {
  const incoming = await readSubmission(validate(Submission, rest, 'The event data'), deps, signal);
  return accept(document, incoming, writer, deps, uuidv5('submitted', source, id));
}
