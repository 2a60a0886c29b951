import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { KnarrError } from '../../_shared/errors.ts';
import type { Finish } from '../prompted/generator.ts';

/** Most bytes of one answer; far above what the token limit allows, so that only a server that runs wild meets it. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The parts of a completion that are read, streamed (`delta`) or whole (`message`). */
const Completion = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).nullish(),
        message: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .optional(),
  error: z.unknown().optional(),
});

/**
 * Reads a chat completion, as an event stream or, from servers that do not stream, as one JSON object. Throws
 * `upstream_failed` for an error object, for what is no completion and for more than 8 MiB, and a plain Error when the
 * stream ends before its time.
 */
export async function readCompletion(response: Response, onText: (text: string) => void): Promise<Finish> {
  let reason: string | undefined;
  let isDone = false;

  function take(data: string): void {
    if (data.trim() === '[DONE]') {
      isDone = true;
      return;
    }
    const { choices, error } = parse(data);
    if (error !== undefined && error !== null) {
      throw new KnarrError('upstream_failed', 'The language model server reported an error.');
    }
    const [choice] = choices ?? [];
    const text = choice?.delta?.content ?? choice?.message?.content;
    if (text) onText(text);
    reason = choice?.finish_reason ?? reason;
  }

  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: ({ data }) => take(data) });
  let whole = '';
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > MAX_BYTES) {
      throw new KnarrError('upstream_failed', `The language model server sent more than ${MAX_BYTES} bytes.`);
    }
    const text = decoder.decode(part, { stream: true });
    if (isStream) parser.feed(text);
    else whole += text;
    if (isDone) break;
  }
  // Some servers leave out the blank line after the last event.
  if (isStream && !isDone) parser.reset({ consume: true });
  if (!isStream) take(whole);
  if (!isDone && reason === undefined) throw new Error('The stream ended early.');
  if (reason === 'length') return 'length';
  return reason === 'content_filter' ? 'filtered' : 'stop';
}

function parse(data: string): z.infer<typeof Completion> {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw new KnarrError('upstream_failed', 'The language model server sent something that is not JSON.', {
      cause,
    });
  }
  const parsed = Completion.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KnarrError('upstream_failed', 'The language model server sent something that is no completion.');
}
