import { isIPv4 } from 'node:net';
import { ConfigError } from '../_shared/config.ts';
import { KnarrError } from '../_shared/errors.ts';

/** `localhost`, `*.localhost` (RFC 6761), 127.0.0.0/8 and `::1`, with or without brackets. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIPv4(name) && name.startsWith('127.');
}

/** Throws {@link ConfigError} when a server without authentication would listen beyond this machine. */
export function refuseOpenBinding(hostname: string, authConfigured: boolean): void {
  if (authConfigured || isLoopback(hostname)) return;
  throw new ConfigError([
    `No authentication is configured (KNARR_AUTH), so Knarr listens on loopback only, not on ${hostname || 'every address'}.`,
  ]);
}

/**
 * Without authentication whoever reaches the port is trusted, and a web page must not reach it through its visitor's
 * browser: the Host has to be a loopback name (a rebound DNS name is not), and a write has to come from our own pages
 * or from no page at all. Throws `forbidden`.
 */
export function refuseStrangers(request: Request): void {
  const host = request.headers.get('host');
  // Every request over HTTP has one; this one was made in this process.
  if (host === null) return;
  if (!URL.canParse(`http://${host}`) || !isLoopback(new URL(`http://${host}`).hostname)) {
    throw new KnarrError(
      'forbidden',
      'No authentication is configured: only this machine may ask, by a loopback name.',
    );
  }
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const origin = request.headers.get('origin');
  const ours = origin === null || (URL.canParse(origin) && new URL(origin).host === host);
  if (!ours || request.headers.get('sec-fetch-site') === 'cross-site') {
    throw new KnarrError('forbidden', 'Pages of other origins may not write here.');
  }
}
