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

/** An answer that makes the event too large costs passages that no citation names, the last first; `degraded` says so. */
function fitEvent(answered: Answered): Answered {
  let fitted = answered;
  while (Buffer.byteLength(JSON.stringify(fitted)) > MAX_EVENT_DATA_BYTES) {
    const cited = new Set(fitted.result.citations.map(({ source }) => source));
    const spare = fitted.passages.findLastIndex((_, index) => !cited.has(index));
    if (spare === -1) break;
    fitted = withoutPassage(fitted, spare);
  }
  return fitted;
}

function withoutPassage(answered: Answered, index: number): Answered {
  const citations = answered.result.citations.map((citation) => ({
    ...citation,
    source: citation.source - (citation.source > index ? 1 : 0),
  }));
  return {
    ...answered,
    passages: answered.passages.toSpliced(index, 1),
    result: { ...answered.result, citations },
    degraded: [...new Set([...answered.degraded, 'generate.passages'])],
  };
}
