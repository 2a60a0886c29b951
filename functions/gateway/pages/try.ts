import { html } from 'hono/html';
import type { Html } from './layout.ts';
import { resolved, type Schema, type Schemas } from './schema.ts';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema?: Schema;
}

export interface Trial {
  id: string;
  method: string;
  path: string;
  parameters: readonly Parameter[];
  content: Readonly<Record<string, { schema?: Schema }>> | undefined;
  schemas: Schemas;
}

/** A form that makes the call, for what can be typed; `pages/script.ts` sends it. */
export function tryForm({ id, method, path, parameters, content = {}, schemas }: Trial): Html {
  const typed = Object.entries(content).filter(([type]) => /json|^text\//.test(type));
  return html`<form class="try" data-method="${method}" data-path="${path}">
<h3>Try it</h3>
${parameters.map(({ name, in: place, required, schema = {} }) => {
  const field = `${id}-${name}`;
  return html`<p class="row"><label for="${field}">${name}</label><input id="${field}" name="${name}" data-in="${place}" autocomplete="off"${required ? html` required` : ''} placeholder="${hint(schema)}"></p>`;
})}
${
  typed[0] === undefined
    ? ''
    : html`<p class="row"><label for="${id}-type">as</label><select id="${id}-type">${typed.map(([type]) => html`<option value="${type}">${type}</option>`)}</select></p>
<textarea aria-label="Body" rows="5" spellcheck="false">${sampleText(typed[0], schemas)}</textarea>`
}
<button>Send</button>
<output></output>
</form>`;
}

function hint({ default: fallback, examples }: Schema): string {
  return String(examples?.[0] ?? fallback ?? '');
}

function sampleText([type, { schema = {} }]: [string, { schema?: Schema }], schemas: Schemas): string {
  const value = sample(schema, schemas);
  if (typeof value === 'string') return value;
  const isLine = /ndjson|jsonl/.test(type);
  return JSON.stringify(value, null, isLine ? undefined : 2);
}

/** The smallest value worth sending: an example or default, else what is required. */
export function sample(schema: Schema, schemas: Schemas, depth = 0): unknown {
  const whole = resolved(schema, schemas);
  const { examples, default: fallback, const: only, enum: values, properties, required = [] } = whole;
  if (examples?.[0] !== undefined) return examples[0];
  const given = only ?? values?.[0] ?? fallback;
  if (given !== undefined) return given;
  if (properties && depth < 4) {
    return Object.fromEntries(
      required.map((name) => [name, sample(properties[name] ?? {}, schemas, depth + 1)]),
    );
  }
  const [option] = whole.anyOf ?? whole.oneOf ?? [];
  if (option) return sample(option, schemas, depth + 1);
  const [type] = [whole.type ?? 'object'].flat();
  return (
    { string: '', integer: whole.minimum ?? 0, number: 0, boolean: false, array: [], null: null }[
      type ?? ''
    ] ?? {}
  );
}
