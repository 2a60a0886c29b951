import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { KnarrError } from '../../_shared/errors.ts';
import { readBody } from '../../_shared/runtime/body.ts';
import type { Room } from '../limits/bodies.ts';
import type { AddressGuard } from './addresses.ts';

export interface UriLimits {
  guard: AddressGuard;
  /** Largest document, bytes, after decompression. */
  maxBytes: number;
  /** For the whole of it, redirects included. */
  timeoutMs: number;
}

export interface Fetched {
  content: Uint8Array;
  /** As the server said it; empty when it did not. */
  contentType: string;
  /** Where it was in the end, after redirects. */
  url: URL;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Reads a document from http or https, no further than the limits. Throws `forbidden` for addresses that may not be
 * reached, `too_large`, `unprocessable` when the server refuses for good, `upstream_failed` when a retry may help. `room` is
 * taken for what is read.
 */
export async function fetchUri(
  uri: string,
  limits: UriLimits,
  room: Room,
  signal: AbortSignal,
): Promise<Fetched> {
  const time = AbortSignal.timeout(limits.timeoutMs);
  const either = AbortSignal.any([signal, time]);
  try {
    let url = new URL(uri);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await open(url, limits.guard, either);
      const { statusCode: status = 0, headers } = response;
      if (!REDIRECTS.includes(status) || headers.location === undefined) {
        if (status !== 200) throw refusal(status, response);
        const content = await contentOf(response, limits.maxBytes, room);
        return { content, contentType: headers['content-type'] ?? '', url };
      }
      response.destroy();
      if (!URL.canParse(headers.location, url.href))
        throw new KnarrError('unprocessable', 'The URI redirects to nowhere.');
      url = new URL(headers.location, url);
    }
    throw new KnarrError('unprocessable', `The URI redirects more than ${MAX_REDIRECTS} times.`);
  } catch (thrown) {
    // A body that broke off counts as `cancelled` where it is read; here it is the server that went, or the time.
    if (thrown instanceof KnarrError && thrown.code !== 'cancelled') throw thrown;
    signal.throwIfAborted();
    const reason = time.aborted ? `did not answer within ${limits.timeoutMs} ms` : 'could not be read';
    throw new KnarrError('upstream_failed', `The URI ${reason}.`, { cause: thrown });
  }
}

function open(url: URL, guard: AddressGuard, signal: AbortSignal): Promise<IncomingMessage> {
  const request = { 'http:': httpRequest, 'https:': httpsRequest }[url.protocol];
  if (request === undefined) {
    throw new KnarrError('invalid_request', 'Documents are read from http and https only.');
  }
  // It would be kept and shown as the document's URI.
  if (url.username !== '' || url.password !== '') {
    throw new KnarrError('invalid_request', 'A URI that holds a user name or password is not read.');
  }
  guard.check(url.hostname);
  const headers = {
    'user-agent': 'knarr',
    accept: '*/*',
    'accept-encoding': 'gzip, deflate, br',
  };
  return new Promise((resolve, reject) => {
    // A connection of its own each time, so that every one has passed the guard's lookup.
    request(url, { headers, signal, agent: false, lookup: guard.lookup })
      .on('response', resolve)
      .on('error', reject)
      .end();
  });
}

function refusal(status: number, response: IncomingMessage): KnarrError {
  response.destroy();
  const passing = status === 429 || status >= 500;
  return new KnarrError(
    passing ? 'upstream_failed' : 'unprocessable',
    `The server of the URI answered ${status}.`,
  );
}

function contentOf(response: IncomingMessage, maxBytes: number, room: Room): Promise<Uint8Array> {
  const encoding = response.headers['content-encoding'];
  const request = new Request('http://document', {
    method: 'POST',
    headers: encoding ? { 'content-encoding': encoding } : {},
    body: Readable.toWeb(response),
    duplex: 'half',
  });
  return readBody(request, maxBytes, room.grow);
}
