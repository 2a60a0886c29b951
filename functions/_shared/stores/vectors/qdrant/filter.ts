import type { Schemas } from '@qdrant/js-client-rest';
import type { Metadata } from '../../../contracts.ts';
import type { Filter, Scalar } from '../../../filter.ts';

type Condition = Schemas['Condition'];

/**
 * Metadata as it can be filtered. `facts` has one string for each value of each field, in one keyword index, so that
 * names may be anything and a number never equals its text. Numbers are kept for ranges, and strings as numbers that
 * have the strings' order, since Qdrant has ranges over numbers only.
 */
export interface FilterablePayload {
  facts: string[];
  numbers: Record<string, number>;
  order: Record<string, Record<string, number>>;
}

const factOf = (name: string, value: Scalar) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;
/** A field's name as a part of a payload path, where `"` and `\` cannot be written. */
const pathName = (name: string) => encodeURIComponent(name);

/** Bytes of a string that fit exactly into a JSON number, whole and in order. */
const WORD_BYTES = 6;
/** As many as a bound of 64 UTF-16 units (the filter's longest) can have, with its end. */
const MAX_WORDS = 33;

/**
 * A string's UTF-8 bytes as numbers of six bytes each, padded with zeros, of which there is at least one: compared from
 * the left, they have the order of the strings by code point, PostgreSQL's collation "C".
 */
function words(text: string): number[] {
  const bytes = Buffer.from(text, 'utf8');
  const count = Math.min(MAX_WORDS, Math.floor(bytes.byteLength / WORD_BYTES) + 1);
  const padded = Buffer.alloc(count * WORD_BYTES);
  bytes.copy(padded);
  return Array.from({ length: count }, (_, n) => padded.readUIntBE(n * WORD_BYTES, WORD_BYTES));
}

export function filterable(metadata: Metadata): FilterablePayload {
  const payload: FilterablePayload = { facts: [], numbers: {}, order: {} };
  for (const [name, value] of Object.entries(metadata)) {
    for (const one of Array.isArray(value) ? value : [value]) payload.facts.push(factOf(name, one));
    if (typeof value === 'number') payload.numbers[pathName(name)] = value;
    if (typeof value === 'string') {
      payload.order[pathName(name)] = Object.fromEntries(words(value).map((word, n) => [`w${n}`, word]));
    }
  }
  return payload;
}

const numberKey = (name: string) => `numbers."${pathName(name)}"`;
const wordKey = (name: string, n: number) => `order."${pathName(name)}".w${n}`;

/** Payload keys that ranges over a field read; of a string its first 24 bytes, a timestamp's length. */
export const rangeKeys = (name: string): string[] => [
  numberKey(name),
  ...[0, 1, 2, 3].map((n) => wordKey(name, n)),
];

/** A filter over metadata as Qdrant's. A field that is not there makes a condition false, so its `not` is true. */
export function filterCondition(filter: Filter): Condition {
  if ('eq' in filter) {
    return {
      must: Object.entries(filter.eq).map(([name, value]) => ({
        key: 'facts',
        match: { value: factOf(name, value) },
      })),
    };
  }
  if ('in' in filter) {
    return {
      must: Object.entries(filter.in).map(([name, values]) => ({
        key: 'facts',
        match: { any: values.map((value) => factOf(name, value)) },
      })),
    };
  }
  if ('range' in filter) {
    const conditions = Object.entries(filter.range).flatMap(([name, bounds]) =>
      Object.entries(bounds)
        .filter(([, value]) => value !== undefined)
        .map(([operator, value]) => bound(name, operator as Operator, value)),
    );
    return { must: conditions };
  }
  if ('and' in filter) return { must: filter.and.map(filterCondition) };
  if ('or' in filter) return { should: filter.or.map(filterCondition) };
  return { must_not: [filterCondition(filter.not)] };
}

type Operator = 'gt' | 'gte' | 'lt' | 'lte';

function bound(name: string, operator: Operator, value: number | string): Condition {
  if (typeof value === 'number') return { key: numberKey(name), range: { [operator]: value } };
  const limits = words(value);
  const equal = limits.map((word, n) => ({ key: wordKey(name, n), range: { gte: word, lte: word } }));
  const strict = operator.slice(0, 2) as 'gt' | 'lt';
  // The first word that differs decides; where none does, the strings are equal.
  const first = limits.map((word, n) => ({
    must: [...equal.slice(0, n), { key: wordKey(name, n), range: { [strict]: word } }],
  }));
  return { should: operator === strict ? first : [...first, { must: equal }] };
}
