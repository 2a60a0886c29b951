import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

const STYLE = `
:root { color-scheme: light dark; --text: #1c2024; --soft: #5a6169; --ground: #fcfcfb; --panel: #f3f3f0; --line: #dedfd9; --accent: #1f5f8b; --on-accent: #fff; --mark: #fdeeb0; --get: #1f6f4a; --put: #8a5a00; --delete: #a32b2b; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e7e4; --soft: #a3a9ae; --ground: #16181a; --panel: #202326; --line: #34383c; --accent: #7cbbe6; --on-accent: #10212e; --mark: #55480f; --get: #74c79d; --put: #e2b25c; --delete: #ef8f8f; } }
* { box-sizing: border-box; } [hidden] { display: none !important; }
body { margin: 0; color: var(--text); background: var(--ground); font: 16px/1.55 system-ui, sans-serif; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; } .skip:focus { left: 1rem; top: 1rem; }
.page { max-width: 52rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
.columns { display: grid; grid-template-columns: 18rem minmax(0, 1fr); gap: 2.5rem; max-width: 82rem; margin: 0 auto; padding: 2rem 1.25rem 5rem; }
nav { position: sticky; top: 1rem; align-self: start; max-height: calc(100vh - 2rem); overflow: auto; font-size: .9rem; }
nav ul { list-style: none; margin: .2rem 0 1rem; padding: 0; } nav li { margin: .25rem 0; }
nav li a { color: inherit; text-decoration: none; display: flex; gap: .4rem; align-items: baseline; } nav li a:hover { color: var(--accent); text-decoration: underline; }
@media (max-width: 52rem) { .columns { display: block; } nav { position: static; max-height: none; } }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { margin: 2.5rem 0 .5rem; font-size: 1.3rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.soft { color: var(--soft); } .failed { color: var(--delete); }
code, pre, textarea, select { font-family: ui-monospace, monospace; font-size: .875rem; overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; overflow: auto; max-height: 32rem; white-space: pre-wrap; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .6rem 0; scroll-margin-top: 1rem; }
details:target { border-color: var(--accent); }
summary { cursor: pointer; padding: .6rem .9rem; display: flex; gap: .2rem .75rem; flex-wrap: wrap; align-items: baseline; }
summary::before { content: '▸'; color: var(--soft); } details[open] > summary::before { content: '▾'; }
details > div { padding: .6rem .9rem .9rem; border-top: 1px solid var(--line); white-space: normal; }
#answer details > div { white-space: pre-line; }
.method { font: 600 .75rem ui-monospace, monospace; min-width: 3.2rem; flex: none; }
.get { color: var(--get); } .post { color: var(--accent); } .put { color: var(--put); } .delete { color: var(--delete); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } caption { text-align: left; font-weight: 600; padding: .6rem 0 .2rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); } th { font-weight: 600; }
.row { display: flex; gap: .75rem; align-items: baseline; margin: .5rem 0; } .row label { flex: 0 0 8rem; color: var(--soft); overflow-wrap: anywhere; }
.row input, .row textarea, .row select { flex: 1; min-width: 0; }
input, textarea, select, button { font-size: 1rem; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: .4rem; color: inherit; background: var(--ground); }
input { font-family: inherit; } textarea { width: 100%; resize: vertical; } textarea, select { font-size: .875rem; }
button { background: var(--accent); border-color: var(--accent); color: var(--on-accent); cursor: pointer; } button:disabled { opacity: .6; cursor: progress; }
#ask { margin: 1.5rem 0; } #ask label { position: absolute; left: -100vw; } #ask input { padding: .7rem .9rem; }
.answer { font-size: 1.15rem; line-height: 1.5; min-height: 1.5em; } mark { background: var(--mark); color: inherit; }
form.try { background: var(--panel); border-radius: .4rem; padding: .1rem .9rem .9rem; margin-top: 1rem; } form.try pre { background: var(--ground); } output { display: block; }
@media (max-width: 36rem) { .row:not(#ask) { display: block; } .row input, .row textarea, .row select { width: 100%; } }
`;

/** Shown when the server asks who is there; `script.ts` sends what is typed with each request. */
export const keyField: Html = html`<p id="key" class="row" hidden><label for="token">API key</label><input id="token" type="password" autocomplete="off" placeholder="knarr_…, or a token of your identity provider"></p>`;

/** A whole page, with nothing from elsewhere. */
export function page(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
<script src="${SCRIPT_PATH}" defer></script>
</head>
<body>
<a class="skip" href="#main">To the content</a>
${body}
</body>
</html>`;
}

/** Where `script.ts` is served. */
export const SCRIPT_PATH = '/pages.js';

/** For pages made by {@link page}. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
