import { html } from 'hono/html';
import { type Html, keyField, page } from './layout.ts';
import { refName, resolved, type Schema, type Schemas, typeName } from './schema.ts';
import { tryForm } from './try.ts';

interface Media {
  schema?: Schema;
}
interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema; description?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
/** What the page shows of an OpenAPI document. */
export interface OpenApiDocument {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Schemas };
}

interface Call {
  id: string;
  method: string;
  path: string;
  operation: Operation;
}

/** The API as a readable page, made from its OpenAPI document. */
export function docsPage({ info, paths = {}, components }: OpenApiDocument): Html {
  const schemas = components?.schemas ?? {};
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Call => {
      const id = `${method}${path.replaceAll(/[^a-z0-9]+/gi, '-')}`;
      return { id, method, path, operation };
    }),
  );
  const tags = [...new Set(calls.map(tagOf))];
  const schemaNames = Object.keys(schemas).sort();
  return page(
    `${info.title} ${info.version}: API`,
    html`<div class="columns">
<nav aria-label="Calls">
<p><a href="/">Start</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/asyncapi.json">events</a></p>
${tags.map(
  (tag) => html`<strong>${tag}</strong>
<ul>${calls
    .filter((call) => tagOf(call) === tag)
    .map(
      ({ id, method, operation }) =>
        html`<li><a href="#${id}"><span class="method ${method}">${method.toUpperCase()}</span> ${operation.summary ?? id}</a></li>`,
    )}</ul>`,
)}
<strong>Shapes</strong>
<ul>${schemaNames.map((name) => html`<li><a href="#schema-${name}">${name}</a></li>`)}</ul>
</nav>
<main id="main">
<h1>${info.title} API</h1>
<p class="soft">${info.description ?? ''}</p>
${keyField}
${tags.map(
  (tag) => html`<section><h2>${tag}</h2>
${calls.filter((call) => tagOf(call) === tag).map((call) => callDetails(call, schemas))}</section>`,
)}
<section><h2>Shapes</h2>
${schemaNames.map((name) => html`<div id="schema-${name}">${shape(name, schemas[name] ?? {}, schemas)}</div>`)}
</section>
</main>
</div>`,
  );
}

const tagOf = ({ operation }: Call) => operation.tags?.[0] ?? 'Other';

function callDetails({ id, method, path, operation }: Call, schemas: Schemas): Html {
  const { parameters = [], requestBody, responses } = operation;
  return html`<details id="${id}" class="call">
<summary><span class="method ${method}">${method.toUpperCase()}</span><code>${path}</code><span class="soft">${operation.summary ?? ''}</span></summary>
<div>
${operation.description ? html`<p>${operation.description}</p>` : ''}
${
  parameters.length === 0
    ? ''
    : html`<table><caption>Parameters</caption>
<thead><tr><th scope="col">name</th><th scope="col">in</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead>
<tbody>${parameters.map(
        ({ name, in: place, required, schema = {}, description }) => html`<tr>
<td><code>${name}</code>${required ? ' (needed)' : ''}</td><td>${place}</td><td>${typeName(schema)}</td><td>${meaning(schema, description)}</td></tr>`,
      )}</tbody></table>`
}
${requestBody ? html`<h3>Body</h3>${contentList(requestBody.content, schemas)}` : ''}
<h3>Answers</h3>
<ul>${Object.entries(responses).map(
    ([
      status,
      { description, content },
    ]) => html`<li><strong>${status === 'default' ? '4xx, 5xx' : status}</strong> ${description}
${content ? contentList(content, schemas) : ''}</li>`,
  )}</ul>
${tryForm({ id, method, path, parameters, content: requestBody?.content, schemas })}
</div>
</details>`;
}

/** Media types with the same shape are named together. */
function contentList(content: Record<string, Media>, schemas: Schemas): Html {
  const groups = new Map<string, { types: string[]; schema: Schema }>();
  for (const [type, { schema = {} }] of Object.entries(content)) {
    const key = JSON.stringify(schema);
    const group = groups.get(key) ?? { types: [], schema };
    group.types.push(type);
    groups.set(key, group);
  }
  return html`${[...groups.values()].map(({ types, schema }) => {
    const named = html`${types.map((type, index) => html`${index > 0 ? ', ' : ''}<code>${type}</code>`)}`;
    if (schema.$ref === undefined && schema.properties)
      return html`<p>${named}</p>${fields(schema, 'Fields', schemas)}`;
    return html`<p>${named}: ${typeLink(schema)}</p>`;
  })}`;
}

function shape(name: string, schema: Schema, schemas: Schemas): Html {
  const whole = resolved(schema, schemas);
  if (whole.properties) return fields(whole, name, schemas);
  return html`<h3>${name}</h3><p>${typeName(whole)}${whole.description ? html`: ${whole.description}` : ''}</p>`;
}

function fields({ properties = {}, required = [] }: Schema, caption: string, schemas: Schemas): Html {
  return html`<table><caption>${caption}</caption>
<thead><tr><th scope="col">field</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead>
<tbody>${Object.entries(properties).map(
    ([
      name,
      schema,
    ]) => html`<tr><td><code>${name}</code>${required.includes(name) ? '' : html` <span class="soft">optional</span>`}</td>
<td>${typeLink(schema)}</td><td>${meaning(schema, resolved(schema, schemas).description)}</td></tr>`,
  )}</tbody></table>`;
}

function typeLink(schema: Schema): Html | string {
  const inner = schema.$ref ?? schema.items?.$ref;
  if (inner === undefined) return typeName(schema);
  const name = refName(inner);
  return html`${schema.$ref ? '' : 'list of '}<a href="#schema-${name}">${name}</a>`;
}

function meaning(schema: Schema, description = schema.description): string {
  const fallback = schema.default === undefined ? '' : `Default ${JSON.stringify(schema.default)}.`;
  return [description, fallback].filter(Boolean).join(' ');
}
