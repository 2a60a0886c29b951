import assert from 'node:assert/strict';
import type { Check, Context } from '../context.ts';
import { eventually } from '../reach.ts';
import { ask, ended, submission, toBroker } from './documents.ts';

const COLLECTION = 'warm';
const SUBJECTS = [
  'ship',
  'river',
  'mountain',
  'village',
  'island',
  'bridge',
  'harbour',
  'church',
  'road',
  'mill',
];
const nameOf = (n: number) => `${SUBJECTS[n % SUBJECTS.length]} number ${n}`;
const tell = (n: number) => `The ${nameOf(n)} was built in the year ${1000 + n} by people from the coast.`;
const DOCUMENTS = 30;

/** Questions and freshness on stages that are up. */
export const warm: Check = {
  name: 'warm',
  async run(context) {
    const { knarr, options, figures } = context;
    const documents = Array.from({ length: DOCUMENTS }, (_, n) => n);
    await Promise.all(
      documents.map((n) =>
        knarr.api('PUT', `/v1/documents/warm-${n}`, { text: tell(n), collection: COLLECTION }),
      ),
    );
    for (const n of documents) assert.equal((await ended(knarr, `warm-${n}`)).state, 'indexed');
    await questions(context, 10);
    const { whole, stages } = await questions(context, options.questions);
    figures.milliseconds('warm question, through the ingress', whole, 'questions');
    for (const [stage, sample] of stages) figures.milliseconds(`  of that ${stage}`, sample, 'questions');
    await freshness(context);
  },
};

/** One question after another; each has to find its document. */
async function questions({ knarr }: Context, count: number) {
  const whole: number[] = [];
  const stages = new Map<string, number[]>();
  for (let n = 0; n < count; n++) {
    const document = n % DOCUMENTS;
    const started = performance.now();
    const answer = await ask(knarr, `When was the ${nameOf(document)} built?`, COLLECTION);
    whole.push(performance.now() - started);
    assert.deepEqual(answer.degraded, []);
    const found = answer.sources.map((source: { document: string }) => source.document);
    assert.ok(found.includes(`warm-${document}`), `warm-${document} is not among ${found}`);
    for (const [stage, ms] of Object.entries(answer.timings as Record<string, number>)) {
      const name = stage === 'total' ? 'the gateway and all stages' : stage;
      stages.set(name, [...(stages.get(name) ?? []), ms]);
    }
  }
  return { whole, stages };
}

/** From the event's leaving, and from the request, until a search finds the document. */
async function freshness(context: Context): Promise<void> {
  const { knarr, tenants, figures, random } = context;
  const found = (word: string) =>
    eventually(
      `${word} is found`,
      60,
      async () => {
        const query = { query: word, mode: 'lexical', collection: COLLECTION };
        const { body } = await knarr.api('POST', '/v1/search', query);
        return body.passages?.some((passage: { text: string }) => passage.text.includes(word));
      },
      10,
    );
  const word = () => `zq${random.below(2 ** 30).toString(36)}`;
  const [byEvents, byHttp]: [number[], number[]] = [[], []];
  await toBroker(context, async (broker) => {
    // The gateway that the Broker delivers to is woken by the first event.
    await broker.publish([submission(tenants[0].name, 'fresh', 'The first one.', COLLECTION)]);
    assert.equal((await ended(knarr, 'fresh')).state, 'indexed');
    for (let n = 0; n < 40; n++) {
      const mark = word();
      const text = `The word ${mark} stands here.`;
      const started = performance.now();
      if (n % 2 === 0) {
        const sent = broker.publish([submission(tenants[0].name, `fresh-${n}`, text, COLLECTION)]);
        await Promise.all([sent, found(mark).then(() => byEvents.push(performance.now() - started))]);
      } else {
        await knarr.api('PUT', `/v1/documents/fresh-${n}`, { text, collection: COLLECTION });
        await found(mark);
        byHttp.push(performance.now() - started);
      }
    }
  });
  figures.milliseconds('event sent to the Broker → found by a search', byEvents, 'documents');
  figures.milliseconds('PUT → found by a search', byHttp, 'documents');
}
