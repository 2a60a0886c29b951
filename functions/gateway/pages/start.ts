import { html } from 'hono/html';
import { type Html, page } from './layout.ts';

/** The page at `/`: what this is, and two lines to try. */
export function startPage(origin: string): Html {
  return page(
    'Knarr',
    html`<main class="page" id="main">
<h1>Knarr</h1>
<p>Put documents in, ask questions, get answers with their sources.</p>
<h2>Add a document</h2>
<pre>curl -X PUT ${origin}/v1/documents/hello -H 'content-type: text/markdown' \\
  --data-binary '# Knarr

A knarr is a cargo ship of the Norse.'</pre>
<h2>Ask</h2>
<pre>curl ${origin}/rag -H 'content-type: application/json' -d '{"question": "What is a knarr?"}'</pre>
<h2>More</h2>
<ul>
<li><a href="/docs">The API, call by call</a>, also as <a href="/openapi.json">OpenAPI</a></li>
<li><a href="/asyncapi.json">The events</a>, as AsyncAPI</li>
<li><a href="/v1/documents">Documents</a>, <a href="/v1/collections">collections</a>, <a href="/v1/dead-letters">dead letters</a></li>
<li><a href="/info">About this server</a>, its <a href="/metrics">metrics</a> and <a href="/health/readiness">readiness</a></li>
</ul>
</main>`,
  );
}
