import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { STAGES } from '../run/stages.ts';
import { checkWiring, type WiredStage } from './check.ts';
import { type Broken, copyManifests, type ManifestCopy, problemsOf, SHIPPED } from './testing.ts';
import { loadTopology } from './topology.ts';

const TRIGGER = 'triggers/chunks-created-to-embed.yaml';
const BROKER = 'brokers/in-memory/broker.yaml';

let copy: ManifestCopy;
beforeEach(() => {
  copy = copyManifests();
});
afterEach(() => copy.close());

const check = (stages: readonly WiredStage[] = STAGES) =>
  problemsOf(() => checkWiring(loadTopology(copy.root), stages));
/** Makes the change; gives what is told of the line that is named. */
function told({ file = TRIGGER, from, to, line = to.trimStart().split('\n')[0] ?? '' }: Broken): string {
  copy.change(file, from, to);
  const named = `${copy.at(file, line)}: `;
  return check()
    .filter((problem) => problem.startsWith(named))
    .join('\n');
}
/** The problems without their places. */
const placeless = (problems: string[]) => problems.map((problem) => problem.replace(/^\S+:\d+: /, ''));

describe('wiring in which something is missing', () => {
  test('the shipped wiring is whole', () => {
    expect(problemsOf(() => checkWiring(loadTopology(SHIPPED), STAGES))).toEqual([]);
  });

  const missing: [string, RegExp, Broken][] = [
    ['the Broker', /there is no Broker events/, { from: 'broker: default', to: 'broker: events' }],
    [
      'the Broker in that namespace',
      /there is no Broker default/,
      { from: '  name: chunks', to: '  namespace: other\n  name: chunks', line: 'broker: default' },
    ],
    [
      'the subscriber',
      /there is no Service default\/embedder/,
      { from: 'name: embed', to: 'name: embedder', line: 'subscriber' },
    ],
    [
      'the sink',
      /there is no Service default\/recovery/,
      { from: 'name: recover', to: 'name: recovery', line: 'delivery' },
    ],
    [
      "the Broker's sink",
      /there is no Service default\/recovery/,
      { file: BROKER, from: 'name: recover', to: 'name: recovery', line: 'delivery' },
    ],
    [
      'the event type, which was renamed',
      /not in the event catalogue/,
      { from: 'chunks.created.v1', to: 'chunks.made.v1', line: 'type' },
    ],
    [
      'the next version of the type',
      /not in the event catalogue/,
      { from: 'chunks.created.v1', to: 'chunks.created.v2', line: 'type' },
    ],
    [
      'the consumer: another stage is named',
      /index does not consume chunks\.created/,
      { from: 'name: embed', to: 'name: index', line: 'type' },
    ],
    [
      'the type',
      /events that it does not consume/,
      { from: 'type: dev.knarr.chunks.created.v1', to: 'tenant: acme', line: 'attributes' },
    ],
    [
      'any filter',
      /events that it does not consume/,
      { from: '  filter:\n    attributes:\n      type: dev.knarr.chunks.created.v1\n', to: '', line: 'spec' },
    ],
    [
      'the path',
      /takes events at \/ only/,
      { from: '    ref:', to: '    uri: /events\n    ref:', line: 'subscriber' },
    ],
  ];
  test.each(missing)('%s', (_, reason, change) => {
    expect(told(change)).toMatch(reason);
  });

  test('a Trigger', () => {
    copy.remove(TRIGGER);
    expect(check()).toEqual([
      'ingest: chunks.created is emitted, but no Trigger takes every one and it is not terminal',
      'embed: chunks.created is consumed, but no Trigger delivers every one',
    ]);
  });

  test('some of the events: a Trigger asks for more than the type', () => {
    copy.change(TRIGGER, '      type:', '      tenant: acme\n      type:');
    expect(placeless(check())).toEqual([
      'ingest: chunks.created is emitted, but no Trigger takes every one and it is not terminal',
      'embed: chunks.created is consumed, but no Trigger delivers every one',
    ]);
  });

  test('a stage behind a Service', () => {
    const problems = check(STAGES.filter(({ name }) => name !== 'embed'));
    expect(problems).toContain(`${copy.at(TRIGGER, 'subscriber')}: there is no stage embed`);
  });

  test('every problem is told at once, and none that only follows from another', () => {
    copy.change(TRIGGER, 'retry: 8', 'retry: -1');
    copy.change('triggers/query-asked-to-embed.yaml', 'broker: default', 'broker: Events');
    copy.change(BROKER, 'backoffDelay: PT0.2S', 'backoffDelay: soon');
    const files = problemsOf(() => loadTopology(copy.root)).map(
      (problem) => /([\w-]+)\.yaml:\d+:/.exec(problem)?.[1],
    );
    expect(new Set(files)).toEqual(new Set(['broker', 'chunks-created-to-embed', 'query-asked-to-embed']));
  });
});

describe('wiring in which something is there twice', () => {
  const text = (name: string, type: string, service: string) =>
    `apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: { name: ${name} }\nspec:\n  broker: default\n  filter: { attributes: { type: ${type} } }\n  subscriber:\n    ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: ${service} }\n`;

  test('a name', () => {
    copy.write('triggers/zz.yaml', text('chunks-created-to-embed', 'dev.knarr.document.indexed.v1', 'embed'));
    expect(check()).toContainEqual(
      expect.stringMatching(
        /zz\.yaml:3: default\/chunks-created-to-embed is in \S+chunks-created-to-embed\.yaml already/,
      ),
    );
  });

  test('an edge, which would make a stage do its work twice', () => {
    copy.write('triggers/zz.yaml', text('again', 'dev.knarr.chunks.created.v1', 'embed'));
    expect(check()).toEqual([
      `${copy.at('triggers/zz.yaml', 'subscriber')}: chunks-created-to-embed sends it these events already`,
    ]);
  });

  test('a type for two stages is no mistake', () => {
    copy.write('triggers/zz.yaml', text('again', 'dev.knarr.chunks.created.v1', 'index'));
    const handle = async () => undefined;
    const stages = STAGES.map((stage) =>
      stage.name === 'index'
        ? { ...stage, on: { ...stage.on, 'chunks.created': { produces: [], handle } } }
        : stage,
    ) as unknown as WiredStage[];
    expect(check(stages)).toEqual([]);
  });
});

describe('loops', () => {
  const wired = (produces: Record<string, string[]>) =>
    STAGES.map((stage) => ({
      ...stage,
      on: Object.fromEntries(
        Object.entries(stage.on).map(([name, binding]) => [
          name,
          { ...binding, produces: produces[name] ?? (binding as { produces: string[] }).produces },
        ]),
      ),
    })) as unknown as WiredStage[];

  test.each<[string, Record<string, string[]>, string]>([
    [
      'an event that causes itself',
      { 'chunks.created': ['chunks.embedded', 'chunks.created'] },
      'chunks.created → chunks.created',
    ],
    [
      'events that cause each other',
      { 'chunks.embedded': ['document.indexed', 'document.accepted'] },
      'chunks.created → chunks.embedded → document.accepted → chunks.created',
    ],
  ])('%s', (_, produces, cycle) => {
    expect(check(wired(produces))).toContain(`an event causes itself again: ${cycle}`);
  });
});
