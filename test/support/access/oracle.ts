import { LIMITED } from './callers.ts';
import type { Exchange } from './exchange.ts';
import type { World } from './world.ts';

/** What the answer must not be: a leak, a failure, a secret, another status than it must have. Empty when it is none. */
export function faults(done: Exchange, world: World, secrets: readonly string[]): string[] {
  const { asker, call, reply, expected } = done;
  const shown = `${asker.tenant} ${asker.name}: ${call}: ${reply.status} ${reply.text.slice(0, 200)}`;
  const isFailure = reply.status >= 500 && reply.status !== 503 && reply.status !== 504;
  return [
    ...leaks(done, world),
    ...(isFailure ? [`failed: ${shown}`] : []),
    ...(expected !== undefined && reply.status !== expected ? [`expected ${expected}: ${shown}`] : []),
    ...(secrets.some((secret) => reply.text.includes(secret)) ? [`a secret: ${shown}`] : []),
    ...(asker.tenant !== LIMITED && reply.headers.has('ratelimit') ? [`another's quota: ${shown}`] : []),
  ];
}

/** Canaries in an answer that the asker may not see. To an admin, audit log and dead letters name documents and collections. */
function leaks({ asker, call, sent, reply, from, to }: Exchange, world: World): string[] {
  const headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  return world
    .find(`${headers}\n${reply.text}`)
    .filter(({ token }) => !sent.includes(token))
    .filter(({ canary }) => {
      const isNamed = asker.role === 'admin' && /^GET \/v1\/(audit|dead-letters)/.test(call);
      const isOwn =
        canary.kind === 'id'
          ? canary.documents?.some(({ tenant }) => tenant === asker.tenant)
          : canary.kind === 'collection' && canary.tenant === asker.tenant;
      return !(isNamed && isOwn);
    })
    .filter(({ token }) => !(asker.named.has(token) && /^GET \/v1\/(dead-letters|audit)/.test(call)))
    .filter(({ canary }) => !world.maySee(asker, canary, from, to))
    .map(
      ({ token, canary }) =>
        `${asker.tenant} ${asker.name} saw ${canary.tenant}'s ${canary.kind} ${token}: ${call}`,
    );
}
