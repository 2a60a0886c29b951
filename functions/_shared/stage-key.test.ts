import { describe, expect, test } from 'vitest';
import { readConfig, redact } from './config.ts';
import { type CloudEvent, emit, eventType, toCloudEvent } from './events.ts';
import { readEvent, writeBinary, writeStructured } from './runtime/cloudevents.ts';
import { toDeadLetter } from './runtime/delivery.ts';
import { checkCall, checkEvent, EVENT_PROOF, proveCall, signEvent, stageKeyKnob } from './stage-key.ts';

const [OLD, NEW] = ['o'.repeat(32), 'n'.repeat(64)];
const key = [NEW];
const read = (text?: string) => readConfig({ key: stageKeyKnob }, { KNARR_STAGE_KEY: text }).key;

test('the variable holds one secret or several, or says that there is none', () => {
  expect(read()).toBe(undefined);
  expect(read('')).toBe(undefined);
  expect(read(NEW)).toEqual([NEW]);
  expect(read(`${NEW}, ${OLD}`)).toEqual([NEW, OLD]);
  expect(read('none')).toEqual(['none']);
  expect(read(`${NEW},none`)).toEqual([NEW, 'none']);
});

test.each(['short', 'o'.repeat(31), `${NEW},`, `${NEW},short`, `none,${NEW}`, 'none,none', 'None', ' '])(
  'a secret that can be guessed is refused and not shown: %j',
  (text) => {
    const message = /KNARR_STAGE_KEY \(\(secret\)\): expected 32 characters or more, such as "[^"]*" gives$/;
    expect(() => read(text)).toThrow(message);
  },
);

test('between none and one, stages prove themselves and believe everybody', () => {
  const step = [NEW, 'none'];
  const claims = ['acme', '*', null];
  const proof = proveCall(step, claims);
  expect(proof).toBe(proveCall(key, claims));
  expect(proveCall(['none'], claims)).toBe(undefined);
  for (const given of [proof ?? '', 'wrong', null]) {
    expect(outcomeOf(() => checkCall(step, claims, given))).toBe('believed');
  }
  const said = toCloudEvent('gateway', emit('timer.fired', 'sweep', { task: 'sweep' }), { tenant: 'acme' });
  expect(outcomeOf(() => checkEvent(step, { ...said, type: eventType('document.accepted') }))).toBe(
    'believed',
  );
});

test('the secret is never shown', () => {
  expect(redact({ key: stageKeyKnob }, { key })).toEqual({ KNARR_STAGE_KEY: '***' });
});

const REFUSED = expect.objectContaining({ code: 'unauthenticated', retryable: false });
const outcomeOf = (check: () => void) => {
  try {
    check();
    return 'believed';
  } catch (thrown) {
    return thrown;
  }
};

describe('a call', () => {
  const claims = ['acme', 'user:ann,*', '2030-01-01T00:00:00.000Z'];
  const proof = proveCall(key, claims) as string;

  test('is believed with the proof of exactly what it claims', () => {
    expect(outcomeOf(() => checkCall(key, claims, proof))).toBe('believed');
    const others: (string | null)[][] = [
      ['other', claims[1] as string, claims[2] as string],
      [claims[0] as string, '*', claims[2] as string],
      [claims[0] as string, claims[1] as string, '2040-01-01T00:00:00.000Z'],
      [claims[0] as string, claims[1] as string, null],
      [null, null, null],
      // What stands where is part of it.
      ['acmeuser:ann,*', '', claims[2] as string],
      [claims[1] as string, claims[0] as string, claims[2] as string],
    ];
    for (const other of others) expect(outcomeOf(() => checkCall(key, other, proof))).toEqual(REFUSED);
  });

  test.each([
    ['none', null],
    ['an empty one', ''],
    ['the secret itself', NEW],
    ['another length', proof.slice(1)],
    ['another case', proof.toUpperCase()],
    ['one by another secret', proveCall([OLD], claims) as string],
    ['that of an event', signEvent(key, { ...event(), data: undefined })[EVENT_PROOF] as string],
  ])('is refused with a wrong proof: %s', (_, wrong) => {
    expect(outcomeOf(() => checkCall(key, claims, wrong))).toEqual(REFUSED);
  });

  test('without a key needs none, and claims nothing by one', () => {
    for (const open of [undefined, ['none']]) {
      expect(outcomeOf(() => checkCall(open, claims, null))).toBe('believed');
      expect(proveCall(open, claims)).toBe(undefined);
    }
  });
});

function event(more: Partial<CloudEvent> = {}): CloudEvent {
  const data = { document: 'ö %41 "x"', version: 1, collection: 'c' };
  return {
    ...toCloudEvent('gateway', emit('document.accepted', data.document, data), {
      tenant: 'acme',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    }),
    ...more,
  };
}
/** As the next one gets it. */
const sent = (of: CloudEvent, write = writeBinary): CloudEvent => {
  const { headers, body } = write(of);
  return readEvent(new Headers(headers), Buffer.from(body));
};

describe('an event', () => {
  const signed = signEvent(key, event({ time: '2026-01-02T03:04:05.600Z' }));
  const checked = (of: CloudEvent) => outcomeOf(() => checkEvent(key, of));

  test('is believed in either mode, however often it is written anew', () => {
    const strange = { 2: 'b', 1: 'a', z: -0, y: undefined, x: ['\ud800', 1e21, null, { deep: 0.1 }] };
    for (const of of [
      signed,
      signEvent(key, event({ data: strange })),
      signEvent(key, event({ data: null })),
    ]) {
      expect(checked(of)).toBe('believed');
      expect(checked(sent(sent(of), writeStructured))).toBe('believed');
      expect(checked(sent(sent(of, writeStructured)))).toBe('believed');
    }
  });

  test('is believed with what a Broker adds to it, takes away or writes in its own way', () => {
    const { partitionkey: _, traceparent: __, ...fewer } = signed;
    const changes: CloudEvent[] = [
      // Go writes no zeros at the end of a fraction.
      { ...signed, time: '2026-01-02T03:04:05.6Z' },
      { ...signed, time: '2026-01-02T04:04:05.600+01:00' },
      { ...signed, knativearrivaltime: '2026-01-02T03:04:06Z', knativebrokerttl: 255, cluster: 'west' },
      { ...signed, datacontenttype: 'application/json; charset=utf-8' },
      { ...signed, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      fewer as CloudEvent,
      toDeadLetter(signed, 'http://ingest/', { status: 422, body: new Uint8Array([123]) }),
    ];
    for (const change of changes) expect(checked(sent(change)), JSON.stringify(change)).toBe('believed');
  });

  test.each<[string, Partial<CloudEvent>]>([
    ['tenant', { tenant: 'other' }],
    ['no tenant', { tenant: undefined }],
    ['id', { id: 'other' }],
    ['source', { source: '/knarr/other' }],
    ['subject', { subject: 'other' }],
    ['time', { time: '2026-01-02T03:04:05.601Z' }],
    ['type', { type: eventType('document.deleted') }],
    ['data', { data: { document: 'ö %41 "x"', version: 2, collection: 'c' } }],
    ['more data', { data: { ...(signed.data as object), afresh: true } }],
    ['no data', { data: undefined }],
    ['data as text', { data: JSON.stringify(signed.data) }],
    ['data as bytes', { data: new Uint8Array(Buffer.from(JSON.stringify(signed.data))) }],
    ['a proof of something else', { [EVENT_PROOF]: signEvent(key, event({ id: 'x' }))[EVENT_PROOF] }],
    ['the proof of a call', { [EVENT_PROOF]: proveCall(key, ['acme']) }],
    ['a number as proof', { [EVENT_PROOF]: 1 }],
    ['no proof', { [EVENT_PROOF]: undefined }],
  ])('is refused when it is changed: %s', (_, change) => {
    expect(checked({ ...signed, ...change })).toEqual(REFUSED);
  });

  test('of a type that others say needs no proof; one of ours does even as a dead letter', () => {
    for (const type of [eventType('document.submitted'), eventType('timer.fired'), 'com.example.other'])
      expect(checked(event({ type }))).toBe('believed');
    const letter = toDeadLetter(event(), 'http://ingest/', { status: 422, body: new Uint8Array() });
    expect(checked(letter)).toEqual(REFUSED);
  });

  test('is not signed, and not asked for it, without a key', () => {
    for (const open of [undefined, ['none']]) {
      const plain = event();
      expect(signEvent(open, plain)).toBe(plain);
      expect(outcomeOf(() => checkEvent(open, plain))).toBe('believed');
    }
  });
});

test('one secret follows the other: both are believed while both are named', () => {
  const bySecond = signEvent([OLD], event());
  expect(outcomeOf(() => checkEvent([NEW, OLD], bySecond))).toBe('believed');
  expect(outcomeOf(() => checkEvent([OLD, NEW], signEvent([NEW, OLD], event())))).toBe('believed');
  expect(outcomeOf(() => checkEvent([NEW], bySecond))).toEqual(REFUSED);
});

test('the attribute has a name that CloudEvents allows', () => {
  expect(EVENT_PROOF).toMatch(/^[a-z0-9]{1,20}$/);
});
