import type { Metadata } from '../../contracts.ts';
import type { Filter, Scalar } from '../../filter.ts';

const FIELDS = ['lang', 'Ünïcode.field', 'a"b\\c', "it's [0]"];
/** Close to each other on purpose: prefixes, ends of six-byte words, other types with the same text, other scripts. */
const STRINGS = [
  ...[
    '',
    'a',
    'ab',
    'abcde',
    'abcdef',
    'abcdefg',
    'abcdef\u0001',
    'abcdefabcdef',
    'b',
    '1',
    'true',
    'null',
    '"',
    '\\',
  ],
  ...['2024-01-31T23:59:59Z', '2024-01-31T23:59:59.5Z', '2024-02', 'é', 'z', '語', '😀', 'ÿ', '\uffee'],
];
const NUMBERS = [-1.5, -1, 0, 0.1, 1, 1.5, 2 ** 31, 1e21];
const OPERATORS = ['gt', 'gte', 'lt', 'lte'] as const;

/** Metadata and filters over a few values, so that they meet. */
export function randomFilters(random: () => number): { metadata(): Metadata; filter(): Filter } {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const some = <T>(make: () => T): T[] => Array.from({ length: 1 + Math.floor(random() * 3) }, make);
  const scalar = (): Scalar =>
    pick<() => Scalar>([() => pick(STRINGS), () => pick(NUMBERS), () => random() < 0.5])();
  const range = () => {
    const from: readonly (string | number)[] = random() < 0.7 ? STRINGS : NUMBERS;
    return Object.fromEntries(some(() => [pick(OPERATORS), pick(from)]));
  };
  const record = <T>(make: () => T) => Object.fromEntries(some(() => [pick(FIELDS), make()]));

  function filter(depth = 0): Filter {
    const kinds = [
      'eq',
      'in',
      'range',
      'range',
      ...(depth < 3 ? (['and', 'or', 'not'] as const) : []),
    ] as const;
    switch (pick(kinds)) {
      case 'eq':
        return { eq: record(scalar) };
      case 'in':
        return { in: record(() => some(scalar)) };
      case 'range':
        return { range: record(range) };
      case 'and':
        return { and: some(() => filter(depth + 1)) };
      case 'or':
        return { or: some(() => filter(depth + 1)) };
      case 'not':
        return { not: filter(depth + 1) };
    }
  }
  return {
    metadata: () => record(() => (random() < 0.3 ? some(() => pick(STRINGS)) : scalar())),
    filter,
  };
}

/** What a filter means, said once more and plainly. */
export function matches(filter: Filter, metadata: Metadata): boolean {
  const equals = (name: string, value: Scalar) => [metadata[name]].flat().some((one) => one === value);
  if ('eq' in filter) return Object.entries(filter.eq).every(([name, value]) => equals(name, value));
  if ('in' in filter) {
    return Object.entries(filter.in).every(([name, values]) => values.some((value) => equals(name, value)));
  }
  if ('range' in filter) {
    return Object.entries(filter.range).every(([name, bounds]) =>
      Object.entries(bounds).every(([operator, bound]) => {
        const value = metadata[name];
        if (bound === undefined || typeof value !== typeof bound) return false;
        const order =
          typeof value === 'string'
            ? Buffer.compare(Buffer.from(value), Buffer.from(String(bound)))
            : Math.sign(Number(value) - Number(bound));
        return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[operator] ?? false;
      }),
    );
  }
  if ('and' in filter) return filter.and.every((part) => matches(part, metadata));
  if ('or' in filter) return filter.or.some((part) => matches(part, metadata));
  return !matches(filter.not, metadata);
}
