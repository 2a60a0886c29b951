import { ACCEPTED, accepted, binary, type CorpusCase, structured, type Target } from './case.ts';

const NOT_OURS: Readonly<Record<Target, number>> = { stage: 422, broker: 202, gateway: 403 };
const foreign = (type: string): CorpusCase => ({
  name: `the type ${type.slice(0, 40)}`,
  request: structured({ type }),
  expect: { status: NOT_OURS, says: '' },
});
const only = (target: Target, status: number): Readonly<Record<Target, number>> => ({
  ...ACCEPTED,
  [target]: status,
});
const SPENT = 'used up its hops';

/** Events that are well formed, and still not for everybody. */
export const MEANING: readonly CorpusCase[] = [
  ...[
    'com.example.thing',
    'dev.knarr.document.submitted',
    'dev.knarr.document.submitted.v2',
    'DEV.KNARR.DOCUMENT.SUBMITTED.V1',
    'dev.knarr.document.accepted.v1',
    'dev.knarr.chunks.embedded.v1',
    'dev.knarr.toString.v1',
    'dev.knarr.__proto__.v1',
    'dev.knarr..v1',
    'a'.repeat(5000),
    '\u26f5',
  ].map(foreign),

  ...['1', '0', '-1', '-2147483648'].map((knativebrokerttl) => ({
    name: `knativebrokerttl ${knativebrokerttl}`,
    request: binary({ knativebrokerttl }),
    expect: { status: only('broker', 400), says: SPENT },
  })),
  accepted('knativebrokerttl 2', binary({ knativebrokerttl: '2' })),
  accepted('knativebrokerttl that is no number', binary({ knativebrokerttl: 'many' })),

  ...['soon', '2024-01-01', '2024-02-30T00:00:00Z'].map((deadline) => ({
    name: `the deadline ${deadline}`,
    request: binary({ deadline }),
    expect: { status: only('stage', 400), says: 'deadline is not an RFC 3339 instant' },
  })),
  {
    name: 'a deadline that has passed',
    request: binary({ deadline: '2020-01-01T00:00:00Z' }),
    expect: { status: only('stage', 422), says: 'deadline had passed' },
  },
  accepted('a deadline far away', binary({ deadline: '9999-12-31T23:59:59Z' })),
  ...['00-xyz', '', '00-00000000000000000000000000000000-0000000000000000-00', 'a'.repeat(500)].map(
    (traceparent) =>
      accepted(`the traceparent ${JSON.stringify(traceparent.slice(0, 20))}`, binary({ traceparent })),
  ),
  accepted('the tenant of somebody else', binary({ tenant: 'somebody-else' })),
  accepted('principals in an extension', binary({ principals: 'user:admin' })),
];
