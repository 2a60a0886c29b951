import type { Config } from '../_shared/config.ts';
import type { Drift, ReconcileInput } from '../_shared/contracts.ts';
import type { Generation } from '../_shared/generation.ts';
import { startRelay } from '../_shared/outbox.ts';
import type { Caller, Logger, Publisher, StageClient } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { AcceptDeps } from './accept/accept.ts';
import { addressGuard } from './accept/addresses.ts';
import { LOCAL_CALLER } from './guard.ts';
import type { limitKnobs, uriKnobs } from './knobs.ts';
import type { QuestionStages } from './rag/pipeline.ts';

/** Bounds of the API: bytes, milliseconds and counts, as `limitKnobs` documents them. */
export type Limits = Config<typeof limitKnobs>;

export interface GatewayDeps extends AcceptDeps {
  publisher: Publisher;
  stages: QuestionStages;
  reconcile: StageClient<ReconcileInput, Drift>;
  limits: Limits;
  /** Who asks. Throws `unauthenticated` or `forbidden`. */
  authenticate(request: Request): Promise<Caller>;
  /** False: there is no authentication, and only this machine may ask. */
  authConfigured: boolean;
  /** Aborted at shutdown: event streams end, so that the server can. */
  closing: AbortController;
}

/** What the gateway is given by whoever composes it. */
export interface GatewayParts {
  documents: DocumentStore;
  originals: OriginalStore;
  publisher: Publisher;
  stages: QuestionStages;
  /** The recover stage. */
  reconcile: StageClient<ReconcileInput, Drift>;
  /** For collections that do not exist yet. */
  generation: Generation;
  log: Logger;
}

/** The gateway's dependencies; its outbox relay runs from here on. Throws on a malformed `KNARR_URI_ALLOW`. */
export function createGateway(
  { log, ...parts }: GatewayParts,
  config: Config<typeof limitKnobs & typeof uriKnobs>,
): GatewayDeps {
  const { uriAllow, uriTimeout, ...limits } = config;
  const { maxDocumentBytes } = limits;
  const uri = { guard: addressGuard(uriAllow), maxBytes: maxDocumentBytes, timeoutMs: uriTimeout };
  const { documents, publisher } = parts;
  return {
    ...parts,
    relay: startRelay({ documents, publisher, log, stage: 'gateway' }),
    uri,
    maxDocumentBytes,
    limits,
    authenticate: async () => LOCAL_CALLER,
    authConfigured: false,
    closing: new AbortController(),
  };
}

/** Ends event streams and the relay; the stores belong to whoever opened them. */
export async function closeGateway(deps: GatewayDeps): Promise<void> {
  deps.closing.abort();
  await deps.relay.stop();
}
