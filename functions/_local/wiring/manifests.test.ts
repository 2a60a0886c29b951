import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Broken, copyManifests, type ManifestCopy, problemsOf } from './testing.ts';
import { loadTopology } from './topology.ts';

const TRIGGER = 'triggers/chunks-created-to-embed.yaml';
const BROKER = 'brokers/in-memory/broker.yaml';
const SERVICE = 'knative/base/embed.yaml';

let copy: ManifestCopy;
beforeEach(() => {
  copy = copyManifests();
});
afterEach(() => copy.close());

const load = () => problemsOf(() => loadTopology(copy.root));
/** Makes the change; gives what is told of the line that is named. */
function told({ file = TRIGGER, from, to, line = to.trimStart().split('\n')[0] ?? '' }: Broken): string {
  copy.change(file, from, to);
  const named = `${copy.at(file, line)}: `;
  return load()
    .filter((problem) => problem.startsWith(named))
    .join('\n');
}
const NOT_IMPLEMENTED = 'not implemented by the embedded broker';

describe('manifests that the embedded broker does not understand', () => {
  const filters = (dialect: string): Broken => ({
    from: '  subscriber:',
    to: `  filters:\n    - ${dialect}\n  subscriber:`,
  });
  const cases: [string, string, Broken][] = [
    ['an unknown field', NOT_IMPLEMENTED, { from: '  broker:', to: '  brokerClass: x\n  broker:' }],
    ['a misspelt field', NOT_IMPLEMENTED, { from: 'retry: 8', to: 'retires: 8' }],
    [
      'a Broker by reference',
      NOT_IMPLEMENTED,
      { from: '  broker: default', to: '  brokerRef: { name: default }' },
    ],
    ['the dialect exact', NOT_IMPLEMENTED, filters('exact: { type: a }')],
    ['the dialect prefix', NOT_IMPLEMENTED, filters('prefix: { type: a }')],
    ['the dialect suffix', NOT_IMPLEMENTED, filters('suffix: { type: a }')],
    ['the dialect all', NOT_IMPLEMENTED, filters('all: [{ exact: { type: a } }]')],
    ['the dialect any', NOT_IMPLEMENTED, filters('any: [{ exact: { type: a } }]')],
    ['the dialect not', NOT_IMPLEMENTED, filters('not: { exact: { type: a } }')],
    ['the dialect cesql', NOT_IMPLEMENTED, filters('cesql: "type = \'a\'"')],
    [
      'an expression beside the attributes',
      NOT_IMPLEMENTED,
      { from: '    attributes:', to: '    cesql: a\n    attributes:' },
    ],
    ['retryAfterMax', NOT_IMPLEMENTED, { from: '    retry: 8', to: '    retryAfterMax: PT1S\n    retry: 8' }],
    ['a delivery format', NOT_IMPLEMENTED, { from: '    retry: 8', to: '    format: json\n    retry: 8' }],
    [
      'an audience of the sink',
      NOT_IMPLEMENTED,
      { from: '    deadLetterSink:', to: '    deadLetterSink:\n      audience: x', line: 'audience' },
    ],
    ['a prototype key', NOT_IMPLEMENTED, { from: '  broker:', to: '  __proto__: { a: 1 }\n  broker:' }],
    ['a merge key', NOT_IMPLEMENTED, { from: '  broker:', to: '  <<: { broker: other }\n  broker:' }],
    [
      'finalizers',
      NOT_IMPLEMENTED,
      { from: 'metadata:', to: 'metadata:\n  finalizers: [x]', line: 'finalizers' },
    ],
    [
      'a field of the Broker',
      NOT_IMPLEMENTED,
      { file: BROKER, from: 'spec:\n', to: 'spec:\n  class: x\n', line: 'class' },
    ],
  ];
  test.each(cases)('%s', (_, reason, change) => {
    expect(told(change)).toMatch(reason);
  });
});

describe('manifests that Knative would not take', () => {
  const cases: [string, RegExp, Broken][] = [
    [
      'a subscriber without ref and uri',
      /ref or uri/,
      {
        from: '    ref:\n      apiVersion: serving.knative.dev/v1\n      kind: Service\n      name: embed',
        to: '    {}',
        line: 'subscriber',
      },
    ],
    [
      'an absolute uri beside a ref',
      /without ref/,
      { from: '  subscriber:', to: '  subscriber:\n    uri: http://a.example/' },
    ],
    [
      'a path of nothing',
      /needs ref/,
      {
        from: '    ref:\n      apiVersion: serving.knative.dev/v1\n      kind: Service\n      name: embed',
        to: '    uri: /here',
        line: 'subscriber',
      },
    ],
    [
      'a subscriber of another kind',
      /Service/,
      { from: '      kind: Service', to: '      kind: Deployment' },
    ],
    [
      'a subscriber of another API',
      /serving/,
      { from: '      apiVersion: serving.knative.dev/v1', to: '      apiVersion: v1' },
    ],
    ['an unknown policy', /linear/, { from: 'backoffPolicy: exponential', to: 'backoffPolicy: quadratic' }],
    [
      'a policy without its delay',
      /only together/,
      { from: '    backoffDelay: PT0.2S\n', to: '', line: 'delivery' },
    ],
    [
      'a delay without its policy',
      /only together/,
      { from: '    backoffPolicy: exponential\n', to: '', line: 'delivery' },
    ],
    ['a Go duration', /ISO 8601/, { from: 'backoffDelay: PT0.2S', to: 'backoffDelay: 200ms' }],
    ['an empty duration', /ISO 8601/, { from: 'timeout: PT2M', to: 'timeout: PT' }],
    ['a duration cut short', /ISO 8601/, { from: 'timeout: PT2M', to: 'timeout: P1DT' }],
    ['a negative duration', /ISO 8601/, { from: 'timeout: PT2M', to: 'timeout: -PT2M' }],
    ['no time at all', /longer than zero/, { from: 'timeout: PT2M', to: 'timeout: PT0S' }],
    ['negative retries', />=0/, { from: 'retry: 8', to: 'retry: -1' }],
    ['half a retry', /int/, { from: 'retry: 8', to: 'retry: 1.5' }],
    ['retries as text', /number/, { from: 'retry: 8', to: 'retry: "8"' }],
    ['an attribute in capitals', /attribute name/, { from: '      type:', to: '      Type:' }],
    ['an attribute by its header', /attribute name/, { from: '      type:', to: '      ce-type:' }],
    ['a number to compare with', /string/, { from: 'type: dev.knarr.chunks.created.v1', to: 'type: 1' }],
    [
      'a name that none may have',
      /Kubernetes name/,
      { from: 'name: chunks-created-to-embed', to: 'name: Chunks_Created' },
    ],
    ['another kind', /Trigger/, { from: 'kind: Trigger', to: 'kind: Subscription' }],
    [
      'an older version',
      /v1/,
      { from: 'apiVersion: eventing.knative.dev/v1\n', to: 'apiVersion: eventing.knative.dev/v1beta1\n' },
    ],
    [
      'a Broker without its class',
      /broker\.class is missing/,
      {
        file: BROKER,
        from: 'eventing.knative.dev/broker.class',
        to: 'example.org/class',
        line: 'annotations',
      },
    ],
    [
      'a limit that is none',
      /number/,
      { file: SERVICE, from: 'containerConcurrency: 16', to: 'containerConcurrency: many' },
    ],
    [
      'a limit out of bounds',
      /1000/,
      { file: SERVICE, from: 'containerConcurrency: 16', to: 'containerConcurrency: 1001' },
    ],
  ];
  test.each(cases)('%s', (_, reason, change) => {
    expect(told(change)).toMatch(reason);
  });
});

describe('files that are no manifest', () => {
  const cases: [string, RegExp, string][] = [
    ['two documents', /MULTIPLE_DOCS/, 'kind: Trigger\n---\nkind: Trigger\n'],
    ['a key twice', /DUPLICATE_KEY/, 'kind: Trigger\nkind: Trigger\n'],
    ['a tab', /TAB/, 'metadata:\n\tname: a\n'],
    ['a bracket that is not closed', /.*/, 'spec: [a\n'],
    ['an alias of nothing', /alias/i, 'spec: *nothing\n'],
    [
      'aliases that multiply',
      /alias/i,
      `a0: &a0 [x]\n${Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(10).fill(`*a${n}`).join(', ')}]\n`).join('')}`,
    ],
    ['nothing', /object/, ''],
    ['only a comment', /object/, '# Later.\n'],
    ['a list', /object/, '- kind: Trigger\n'],
    ['JSON of something else', /apiVersion/, '{"hello": "world"}\n'],
  ];
  test.each(cases)('%s', (_, reason, text) => {
    copy.write(TRIGGER, text);
    const about = load().filter((problem) => problem.includes(`${TRIGGER}:`));
    expect(about.length).toBeGreaterThan(0);
    expect(about.join('\n')).toMatch(reason);
    for (const problem of about) expect(problem).toMatch(/chunks-created-to-embed\.yaml:\d+: /);
  });
});
