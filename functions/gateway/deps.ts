import type { Config } from '../_shared/config.ts';
import type { Drift, ReconcileInput } from '../_shared/contracts.ts';
import type { Generation } from '../_shared/generation.ts';
import { startRelay } from '../_shared/outbox.ts';
import type { Logger, Publisher, StageClient } from '../_shared/stage.ts';
import type { AccessStore } from '../_shared/stores/access/port.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { AcceptDeps } from './accept/accept.ts';
import { addressGuard } from './accept/addresses.ts';
import { type AuthConfig, type Authenticator, createAuthenticator } from './auth/authenticator.ts';
import { openDenials } from './denials.ts';
import type { limitKnobs, uriKnobs } from './knobs.ts';
import { backlogLimit } from './limits/backlog.ts';
import { bodies } from './limits/bodies.ts';
import type { quotaKnobs } from './limits/knobs.ts';
import { tenantLimits } from './limits/tenants.ts';
import type { QuestionStages } from './rag/pipeline.ts';

/** Bounds of the API: bytes, milliseconds and counts, as `limitKnobs` documents them. */
export type Limits = Config<typeof limitKnobs>;

export interface GatewayDeps extends AcceptDeps {
  publisher: Publisher;
  stages: QuestionStages;
  reconcile: StageClient<ReconcileInput, Drift>;
  limits: Limits;
  /** Absent: there is no authentication, and only this machine may ask. */
  authenticator: Authenticator | undefined;
  /** Aborted at shutdown: event streams end, so that the server can. */
  closing: AbortController;
}

/** What the gateway is given by whoever composes it. */
export interface GatewayParts {
  documents: DocumentStore;
  access: AccessStore;
  originals: OriginalStore;
  publisher: Publisher;
  stages: QuestionStages;
  /** The recover stage. */
  reconcile: StageClient<ReconcileInput, Drift>;
  /** For collections that do not exist yet. */
  generation: Generation;
  log: Logger;
}

export type GatewayConfig = Config<typeof limitKnobs & typeof uriKnobs & typeof quotaKnobs> & AuthConfig;

/**
 * The gateway's dependencies; its outbox relay runs from here on. Throws `ConfigError` on a malformed `KNARR_URI_ALLOW`
 * and on authentication that lacks something.
 */
export function createGateway({ log, ...parts }: GatewayParts, config: GatewayConfig): GatewayDeps {
  const { uriAllow, uriTimeout, ...limits } = config;
  const { maxDocumentBytes } = limits;
  const uri = { guard: addressGuard(uriAllow), maxBytes: maxDocumentBytes, timeoutMs: uriTimeout };
  const { documents, access, publisher } = parts;
  if (config.auth.join() === 'keys') sayWhenKeyless(access, log);
  return {
    ...parts,
    relay: startRelay({ documents, publisher, log, stage: 'gateway' }),
    uri,
    maxDocumentBytes,
    limits,
    bodies: bodies(limits.maxBodiesBytes),
    backlog: backlogLimit(documents, limits.maxBacklog),
    authenticator: config.auth.length === 0 ? undefined : createAuthenticator(access, config),
    quotas: tenantLimits(access, config, limits),
    denials: openDenials(access, log),
    closing: new AbortController(),
  };
}

function sayWhenKeyless(access: AccessStore, log: Logger): void {
  access.hasKeys().then(
    (some) => {
      if (!some)
        log.warn({}, 'there is no API key yet: "knarr keys create <name> --admin --store" makes one');
    },
    () => {},
  );
}

/** Looks, without waiting, whether originals can be kept; the log says why not. */
export function sayWhenAway(originals: OriginalStore, log: Logger): void {
  originals.ping().catch((thrown: unknown) => {
    log.warn({ err: thrown }, 'originals cannot be kept: documents are refused until they can');
  });
}

/** Ends event streams and the relay; the stores belong to whoever opened them. */
export async function closeGateway(deps: GatewayDeps): Promise<void> {
  deps.closing.abort();
  await deps.relay.stop();
  await deps.denials.close();
  await deps.authenticator?.close();
}
