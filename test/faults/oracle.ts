import { setTimeout as sleep } from 'node:timers/promises';
import type { Drift } from '../../functions/_shared/contracts.ts';
import { Breach } from './breach.ts';
import type { Act, Ledger } from './ledger.ts';
import { passages, send, type Tenant } from './prober.ts';

export const VIOLATIONS = [
  /** Acknowledged, and not there, or without an end. */
  'missing',
  /** Given up, although nothing was wrong with it. */
  'failed',
  /** A version, a passage or a point that nobody asked for. */
  'phantom',
  'duplicate',
  /** Content or points that are not what was put. */
  'mismatch',
  /** Content of an older or deleted version that is found. */
  'resurrected',
  /** Found by another tenant. */
  'foreign',
] as const;
export type Verdict = Record<(typeof VIOLATIONS)[number], number> & {
  /** Versions by how they ended. */
  ended: Record<string, number>;
  /** What the system's own comparison found and repaired before the verdict, where there was something to repair. */
  repaired: Drift | undefined;
  examples: string[];
};

interface Version {
  version: number;
  state: string;
  reason: string | null;
}

const ENDED = new Set(['indexed', 'superseded', 'deleted', 'dead_lettered']);
const LANES = 8;
const ATTEMPTS = 100;

export interface JudgeOptions {
  /** How long the system may take to come to rest, milliseconds. Default 300,000. */
  settleMs?: number | undefined;
  /** Stores were put out of step: the comparison may repair first. Otherwise nothing may need a repair. */
  drifts?: boolean | undefined;
}

/**
 * Demands of the system at rest: every acknowledged version has ended, exactly once; the head says what was put last;
 * nothing older, deleted or foreign is found; ledger and vector store agree, and the store holds nothing else.
 */
export async function judge(
  url: string,
  tenants: readonly Tenant[],
  ledger: Ledger,
  { settleMs = 300_000, drifts = false }: JudgeOptions = {},
): Promise<Verdict> {
  const verdict: Verdict = {
    missing: 0,
    failed: 0,
    phantom: 0,
    duplicate: 0,
    mismatch: 0,
    resurrected: 0,
    foreign: 0,
    ended: {},
    repaired: undefined,
    examples: [],
  };
  const blame = (kind: (typeof VIOLATIONS)[number], what: string) => {
    verdict[kind]++;
    if (verdict.examples.length < 20) verdict.examples.push(`${kind}: ${what}`);
  };
  const byName = new Map(tenants.map((tenant) => [tenant.name, tenant]));
  const documents = [...ledger.acts.entries()].map(([key, acts]) => ({
    tenant: byName.get(JSON.parse(key)[0]) as Tenant,
    document: JSON.parse(key)[1] as string,
    acts,
  }));
  await settle(url, documents, Date.now() + settleMs);
  const [first] = tenants as [Tenant];
  if (drifts) {
    verdict.repaired = await reconcile(url, first, true);
    await settle(url, documents, Date.now() + settleMs);
  }
  await inStep(url, first, Date.now() + settleMs);

  await lanes(documents, async ({ tenant, document, acts }) => {
    const versions = await history(url, tenant, document);
    for (const { state } of versions) verdict.ended[state] = (verdict.ended[state] ?? 0) + 1;
    const known = new Map(versions.map((version) => [version.version, version]));
    const done = acts.filter((act) => !act.undone);
    const acknowledged = done.filter((act) => act.version !== undefined);
    const unknown = done.length - acknowledged.length;
    for (const { version } of acknowledged) {
      const ended = known.get(version as number);
      if (!ended || !ENDED.has(ended.state)) blame('missing', `${document} v${version}: ${ended?.state}`);
      else if (ended.state === 'dead_lettered') blame('failed', `${document} v${version}: ${ended.reason}`);
      else if (ended.state !== 'indexed' && !ended.reason)
        blame('missing', `${document} v${version}: a reason`);
    }
    const distinct = new Set(acknowledged.map(({ version }) => version)).size;
    if (distinct !== acknowledged.length) blame('duplicate', `${document}: two acts share a version`);
    if (versions.length > distinct + unknown) blame('phantom', `${document}: ${versions.length} versions`);
    if (new Set(versions.map(({ version }) => version)).size !== versions.length)
      blame('duplicate', document);
    const [head] = versions;
    if (head?.state === 'superseded') blame('missing', `${document} v${head.version}: a successor`);
    const last = acknowledged.find(({ version }) => version === head?.version);
    if (last && (last.kind === 'delete') !== (head?.state === 'deleted'))
      blame(
        last.kind === 'delete' ? 'resurrected' : 'missing',
        `${document}: ${head?.state} by a ${last.kind}`,
      );
    for (const older of versions.slice(1)) {
      if (older.state === 'indexed')
        blame('duplicate', `${document} v${older.version} is indexed beside its head`);
    }
    await checkContent(url, tenant, tenants, { document, acts, head }, blame);
  });

  const drift = await reconcile(url, first, false);
  const { missing, phantom, duplicate, wrong_hash } = drift;
  verdict.missing += missing;
  verdict.duplicate += duplicate;
  verdict.mismatch += wrong_hash;
  // Whatever the comparison makes of them: at rest there is a point for each chunk, and no other.
  verdict.phantom += Math.max(phantom, drift.points - drift.chunks - duplicate - wrong_hash);
  if (!isInStep(drift)) verdict.examples.push(`drift ${JSON.stringify(drift)}`);
  return verdict;
}

const isInStep = ({ points, chunks, missing, phantom, duplicate, wrong_hash }: Drift) =>
  points === chunks && missing + phantom + duplicate + wrong_hash === 0;

/** Waits until what was sent off is done, and what was deleted has left the vector store. */
async function inStep(url: string, tenant: Tenant, until: number): Promise<void> {
  while (Date.now() < until && !isInStep(await reconcile(url, tenant, false))) await sleep(300);
}

async function reconcile(url: string, tenant: Tenant, repair: boolean): Promise<Drift> {
  for (let cursor: string | undefined; ; ) {
    const more = { repair, ...(cursor !== undefined && { cursor }) };
    const answer = await patiently(() => send(url, tenant, 'POST', '/v1/admin/reconcile', more));
    if (answer?.status !== 200) {
      throw new Error(`The comparison was answered ${answer?.status} ${JSON.stringify(answer?.body)}.`);
    }
    cursor = answer.body.next;
    if (cursor === undefined) return answer.body;
  }
}

type Blame = (kind: (typeof VIOLATIONS)[number], what: string) => void;

/** Looks for each word that was ever put: only the head's may be found, by its own tenant, in its own document. */
async function checkContent(
  url: string,
  tenant: Tenant,
  tenants: readonly Tenant[],
  { document, acts, head }: { document: string; acts: readonly Act[]; head: Version | undefined },
  blame: Blame,
): Promise<void> {
  const expected =
    head?.state === 'indexed'
      ? acts.find(({ version, undone }) => version === head.version && !undone)?.marker
      : undefined;
  const isUnheard = head?.state === 'indexed' && expected === undefined;
  for (const { marker, version, undone } of acts) {
    if (marker === '') continue;
    const found = await search(url, tenant, marker);
    const here = found.filter((passage) => passage.text.includes(marker));
    const isHead = marker === expected || (isUnheard && version === undefined && !undone);
    if (!isHead && here.length > 0)
      blame('resurrected', `${document}: ${marker} of v${version}, head ${head?.state}`);
    if (marker === expected && here.length !== 1) {
      blame(
        here.length === 0 ? 'missing' : 'duplicate',
        `${document} v${head?.version}: found ${here.length}×`,
      );
    }
    for (const passage of here) {
      if (passage.document !== document || (isHead && passage.version !== head?.version)) {
        blame('mismatch', `${document}: found in ${passage.document} v${passage.version}`);
      }
    }
    for (const other of tenants.filter(({ name }) => name !== tenant.name)) {
      const foreign = await search(url, other, marker);
      if (foreign.some(({ text }) => text.includes(marker))) blame('foreign', `${document} by ${other.name}`);
    }
  }
}

async function search(url: string, tenant: Tenant, marker: string) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await passages(url, tenant, marker);
    if (found) return found;
    await sleep(200);
  }
  throw new Breach(`A search by ${tenant.name} is not answered.`);
}

async function history(url: string, tenant: Tenant, document: string): Promise<Version[]> {
  const answer = await patiently(() =>
    send(url, tenant, 'GET', `/v1/documents/${encodeURIComponent(document)}/versions?limit=1000`),
  );
  return answer?.body?.versions ?? [];
}

async function patiently<T extends { status: number }>(
  ask: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const answer = await ask();
    if (answer && answer.status !== 429 && answer.status < 500) return answer;
    await sleep(200);
  }
  return undefined;
}

/** Waits until every head has ended. */
async function settle(
  url: string,
  documents: readonly { tenant: Tenant; document: string }[],
  until: number,
): Promise<void> {
  let waiting = [...documents];
  while (waiting.length > 0 && Date.now() < until) {
    const open: typeof waiting = [];
    await lanes(waiting, async (one) => {
      const [head] = await history(url, one.tenant, one.document);
      if (head && !ENDED.has(head.state)) open.push(one);
    });
    waiting = open;
    if (waiting.length > 0) await sleep(300);
  }
}

async function lanes<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...list];
  const lane = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
