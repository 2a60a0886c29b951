import { setTimeout as sleep } from 'node:timers/promises';

/** A gateway's API as tests use it. */
export interface Api {
  /** Sends JSON (or `init.body` as it is) and reads a JSON answer. */
  api(
    method: string,
    path: string,
    body?: unknown,
    init?: RequestInit,
  ): Promise<{ status: number; headers: Headers; body: any }>;
  /** Waits until a document's newest version has ended. */
  ended(id: string): Promise<any>;
}

/** The API at `url`, with an API key where it asks for one. */
export function apiOf(url: string, key?: string): Api {
  const api: Api['api'] = async (method, path, body, init = {}) => {
    const headers = new Headers(init.headers);
    if (body !== undefined) headers.set('content-type', 'application/json');
    if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(url + path, { method, ...json, ...init, headers });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text ? JSON.parse(text) : text,
    };
  };
  return {
    api,
    async ended(id) {
      for (let attempt = 0; attempt < 1500; attempt++) {
        const { body } = await api('GET', `/v1/documents/${encodeURIComponent(id)}`);
        if (['indexed', 'superseded', 'deleted', 'dead_lettered'].includes(body.state)) return body;
        await sleep(20);
      }
      throw new Error(`${id} did not end.`);
    },
  };
}
