import { setTimeout as sleep } from 'node:timers/promises';
import { KnarrError } from '../errors.ts';
import type { Logger } from '../stage.ts';
import { problemResponse } from './problem.ts';
import { type ServeOptions, serve } from './serve.ts';

const PAUSE_MS = 500;

/**
 * Opens what a process needs, again and again while that is `unavailable`: stores may start after the stages. Meanwhile
 * the process is live and not ready. If it ended instead, Knative would give its revision up for good.
 */
export async function openPatiently<T>(
  open: () => Promise<T>,
  meanwhile: () => { address: ServeOptions; log: Logger },
): Promise<T> {
  const first = await attempt(open);
  if (!(first instanceof KnarrError)) return first;
  const { address, log } = meanwhile();
  const waiting = await serve({ fetch: answerWaiting, drain() {} }, { ...address, drainMs: 0 });
  log.warn({ err: first, url: waiting.url }, 'waiting for what is needed');
  try {
    for (;;) {
      await sleep(PAUSE_MS);
      const opened = await attempt(open);
      if (!(opened instanceof KnarrError)) return opened;
    }
  } finally {
    await waiting.close();
  }
}

/** What was opened, or why it is not available yet. */
async function attempt<T>(open: () => Promise<T>): Promise<T | KnarrError> {
  try {
    return await open();
  } catch (thrown) {
    if (thrown instanceof KnarrError && thrown.code === 'unavailable') return thrown;
    throw thrown;
  }
}

async function answerWaiting(request: Request): Promise<Response> {
  if (new URL(request.url).pathname === '/health/liveness') return Response.json({ status: 'live' });
  return problemResponse(new KnarrError('unavailable', 'What this stage needs is not there yet.'));
}
