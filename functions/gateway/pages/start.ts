import { html } from 'hono/html';
import { type Html, keyField, page } from './layout.ts';

/** The page at `/`: ask, add a document, and the same from a terminal. */
export function startPage(origin: string): Html {
  return page(
    'Knarr',
    html`<main class="page" id="main">
<h1>Knarr</h1>
<p class="soft">Documents in, questions answered with their sources.</p>
${keyField}
<form id="ask" class="row">
<label for="question">Question</label>
<input id="question" required maxlength="8192" autocomplete="off" placeholder="How many earthquakes does Southern California have each year?">
<button>Ask</button>
</form>
<section id="answer" aria-live="polite"></section>

<h2>Add a document</h2>
<form id="add">
<p class="row"><label for="document">Id</label><input id="document" required maxlength="512" placeholder="notes.md"></p>
<p class="row"><label for="file">File</label><input id="file" type="file"></p>
<p class="row"><label for="text">or text</label><textarea id="text" rows="4" placeholder="A knarr is a cargo ship of the Norse."></textarea></p>
<button>Add</button>
</form>
<section id="added" aria-live="polite"></section>

<h2>From a terminal</h2>
<pre>curl -X PUT ${origin}/v1/documents/hello -H 'content-type: text/markdown' \\
  --data-binary 'A knarr is a cargo ship of the Norse.'

curl ${origin}/rag -H 'content-type: application/json' -d '{"question": "What is a knarr?"}'</pre>

<h2>More</h2>
<ul>
<li><a href="/docs">The API, call by call</a>, also as <a href="/openapi.json">OpenAPI</a>; <a href="/asyncapi.json">the events</a> as AsyncAPI</li>
<li><a href="/v1/documents">Documents</a>, <a href="/v1/collections">collections</a>, <a href="/v1/dead-letters">dead letters</a></li>
<li><a href="/info">About this server</a>, its <a href="/metrics">metrics</a> and <a href="/health/readiness">readiness</a></li>
</ul>
</main>`,
  );
}
