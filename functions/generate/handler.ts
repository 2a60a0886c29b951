import type { GenerateInput, GenerateOutput } from '../_shared/contracts.ts';
import { type Emitted, type EventData, emit, MAX_EVENT_DATA_BYTES } from '../_shared/events.ts';
import type { Context } from '../_shared/stage.ts';
import type { Generator } from './port.ts';

export interface GenerateDeps {
  generator: Generator;
}

export async function generate(
  input: GenerateInput,
  context: Context<GenerateDeps>,
): Promise<GenerateOutput> {
  return context.deps.generator.generate(input, context);
}

/** The event form: the answer with the passages it rests on. */
export async function answerQuestion(
  grounded: EventData<'query.grounded'>,
  context: Context<GenerateDeps>,
): Promise<Emitted> {
  const started = performance.now();
  const { question, passages } = grounded;
  const result = await context.deps.generator.generate({ question, passages }, context);
  return emit(
    'query.answered',
    grounded.query,
    fitEvent({
      ...grounded,
      result,
      degraded: [...new Set([...grounded.degraded, ...result.degraded])],
      timings: { ...grounded.timings, generate: performance.now() - started },
    }),
  );
}

type Answered = EventData<'query.answered'>;

/**
 * An answer that makes the event too large costs passages, the last first and only ones that no citation names; it
 * says so in `degraded`.
 */
function fitEvent(answered: Answered): Answered {
  let fitted = answered;
  const lastCited = Math.max(-1, ...answered.result.citations.map(({ source }) => source));
  while (
    Buffer.byteLength(JSON.stringify(fitted)) > MAX_EVENT_DATA_BYTES &&
    fitted.passages.length > lastCited + 1
  ) {
    fitted = {
      ...fitted,
      passages: fitted.passages.slice(0, -1),
      degraded: [...new Set([...fitted.degraded, 'generate.passages'])],
    };
  }
  return fitted;
}
