import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { knob } from './config.ts';
import { KnarrError } from './errors.ts';
import { type CloudEvent, type EventName, eventName } from './events.ts';

/**
 * What stages prove to each other that they are stages with: Knative's ingress, its activator and the Broker carry
 * requests of anybody in the cluster. Of several secrets the first one proves and all are believed, so that one can follow
 * the other. With `none` at their end whoever reaches a port is believed, too.
 */
export type StageKey = readonly string[];

const MIN_LENGTH = 32;
const ANYBODY = 'none';

export const stageKeyKnob = knob(
  'KNARR_STAGE_KEY',
  z
    .string()
    .transform((text, context): StageKey => {
      const secrets = text.split(',').map((secret) => secret.trim());
      const isAnybodyLast = (secret: string, place: number) =>
        secret === ANYBODY && place === secrets.length - 1;
      if (secrets.every((secret, place) => secret.length >= MIN_LENGTH || isAnybodyLast(secret, place)))
        return secrets;
      const message = `expected ${MIN_LENGTH} characters or more, such as "openssl rand -hex 32" gives`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .optional()
    .meta({ title: `${MIN_LENGTH} characters or more` }),
  `Shared by all stages, by which they tell each other's calls and events from anybody else's. Several, separated by commas: the first one proves, all are believed. Without it whoever reaches the stage is believed; on Knative the stage then does not start, unless it is \`${ANYBODY}\`. With \`${ANYBODY}\` behind a secret a stage proves and believes everybody: the step between none and one.`,
  { secret: true },
);

/** Proof of what is said: HMAC-SHA256, base64url; undefined without a key. */
function prove(key: StageKey | undefined, said: readonly unknown[]): string | undefined {
  const secret = key?.find((each) => each !== ANYBODY);
  return secret === undefined ? undefined : macOf(secret, JSON.stringify(said));
}

function isProven(key: StageKey, proof: unknown, said: readonly unknown[]): boolean {
  if (typeof proof !== 'string') return false;
  const given = Buffer.from(proof);
  const text = JSON.stringify(said);
  return key.some((secret) => {
    const expected = Buffer.from(macOf(secret, text));
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const macOf = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('base64url');

/** Whether anybody is not believed. */
export const checks = (key: StageKey | undefined): key is StageKey =>
  key !== undefined && !key.includes(ANYBODY);

/** Values of a call's headers, as they are sent; null: not there. */
export type Claims = readonly (string | null)[];

/** Proof of a call's headers: it holds for them alone, and no longer than the deadline among them. */
export const proveCall = (key: StageKey | undefined, claims: Claims): string | undefined =>
  prove(key, ['call', ...claims]);

/** Throws `unauthenticated` unless a stage makes the call. */
export function checkCall(key: StageKey | undefined, claims: Claims, proof: string | null): void {
  if (!checks(key) || isProven(key, proof, ['call', ...claims])) return;
  throw stranger('Only stages may call this one, with a proof by KNARR_STAGE_KEY.');
}

/** The attribute of an event that holds its proof. */
export const EVENT_PROOF = 'knarrmac';
/** Types that others say: what they claim is for whoever takes them to judge. */
const BY_OTHERS: readonly EventName[] = ['document.submitted', 'timer.fired'];

/** The event with its proof, which attributes that a Broker adds or writes in another way leave as it is. */
export function signEvent(key: StageKey | undefined, event: CloudEvent): CloudEvent {
  const proof = prove(key, saidBy(event));
  return proof === undefined ? event : { ...event, [EVENT_PROOF]: proof };
}

/** Throws `unauthenticated` for an event of a type that stages say, unless one of them has said it. */
export function checkEvent(key: StageKey | undefined, event: CloudEvent): void {
  const name = eventName(event.type);
  if (!checks(key) || name === undefined || BY_OTHERS.includes(name)) return;
  // Stages say JSON: bytes would only be costly to write out.
  if (!(event.data instanceof Uint8Array) && isProven(key, event[EVENT_PROOF], saidBy(event))) return;
  throw stranger(`No stage has said this: ${EVENT_PROOF} does not prove it by KNARR_STAGE_KEY.`);
}

/** Brokers write the same instant in other ways: of `time` its milliseconds count. */
const saidBy = ({ id, source, type, subject, time, tenant, data }: CloudEvent): unknown[] => [
  'event',
  id,
  source,
  type,
  subject,
  Date.parse(time ?? ''),
  tenant,
  data,
];

const stranger = (message: string) =>
  new KnarrError('unauthenticated', message, { headers: { 'www-authenticate': 'Knarr-Stage-Key' } });
