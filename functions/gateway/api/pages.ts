import packageJson from '../../../package.json' with { type: 'json' };

import { docsPage, type OpenApiDocument } from '../pages/docs.ts';
import { PAGE_HEADERS, SCRIPT_PATH } from '../pages/layout.ts';
import { SCRIPT } from '../pages/script.ts';
import { startPage } from '../pages/start.ts';
import type { Api } from './endpoint.ts';

/** OpenAPI 3.1 of all calls mounted so far. */
export function openApi(api: Api) {
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Knarr',
      version: packageJson.version,
      license: { name: packageJson.license },
      description:
        'Documents go in, become searchable at once, and questions come back answered with their sources. Refusals are RFC 9457 problem details; every answer carries its timings as Server-Timing.',
    },
  });
  // The generator leaves the flags of a regular expression in its source.
  const text = JSON.stringify(document, (key, value) =>
    key === 'pattern' ? String(value).replace(/\$\/u$/, '$') : value,
  );
  return JSON.parse(text) as typeof document;
}

/** What people and generators read: start page, documentation, OpenAPI and AsyncAPI. */
export function pageRoutes(api: Api): void {
  // Made at the first request: the document takes longer than a cold start should.
  let document: ReturnType<typeof openApi> | undefined;
  const read = () => (document ??= openApi(api));
  api.get('/openapi.json', (c) => c.json(read()));
  api.get('/asyncapi.json', async (c) =>
    c.json((await import('../../../docs/asyncapi.json', { with: { type: 'json' } })).default),
  );
  api.get(SCRIPT_PATH, (c) =>
    c.body(SCRIPT, 200, {
      'content-type': 'text/javascript; charset=UTF-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    }),
  );
  api.get('/docs', async (c) =>
    c.html(await docsPage(read() as unknown as OpenApiDocument), 200, PAGE_HEADERS),
  );
  api.get('/', async (c) => c.html(await startPage(new URL(c.req.url).origin), 200, PAGE_HEADERS));
}
