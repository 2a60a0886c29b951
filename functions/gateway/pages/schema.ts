/** The part of JSON Schema (draft 2020-12) that the API's schemas use. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  prefixItems?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

export type Schemas = Record<string, Schema>;

/** Name of a referenced schema. */
export const refName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** The schema itself, with references and single `allOf`s followed. */
export function resolved(schema: Schema, schemas: Schemas): Schema {
  const target = schema.$ref === undefined ? schema : (schemas[refName(schema.$ref)] ?? {});
  return target.allOf?.length === 1 && target.allOf[0]
    ? { ...resolved(target.allOf[0], schemas), ...target }
    : target;
}

/** A type in a few words: `integer 1 to 100`, `text, at most 63 characters`, `list of Passage`. */
export function typeName(schema: Schema): string {
  if (schema.$ref !== undefined) return refName(schema.$ref);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(typeName))].join(' or ');
  if (schema.allOf) return schema.allOf.map(typeName).join(' and ');
  if (schema.format === 'binary') return 'bytes';
  const types = [schema.type ?? 'any'].flat().map((type) => (type === 'string' ? 'text' : type));
  const name = types.map((type) => (type === 'array' ? listName(schema) : type)).join(' or ');
  return name + bounds(schema);
}

function listName({ items, prefixItems }: Schema): string {
  if (prefixItems) return `[${prefixItems.map(typeName).join(', ')}]`;
  return items ? `list of ${typeName(items)}` : 'list';
}

// JSON's own limits of a whole number say nothing to a reader.
const isTelling = (bound: number | undefined): bound is number =>
  bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;

function bounds(schema: Schema): string {
  const range = (min: number | undefined, max: number | undefined, unit: string) => {
    if (isTelling(min) && isTelling(max)) return `, ${min} to ${max}${unit}`;
    if (isTelling(max)) return `, at most ${max}${unit}`;
    return isTelling(min) && min > 0 ? `, at least ${min}${unit}` : '';
  };
  return (
    range(schema.minimum, schema.maximum, '') +
    range(schema.minLength, schema.maxLength, ' characters') +
    range(schema.minItems, schema.maxItems, ' items')
  );
}
