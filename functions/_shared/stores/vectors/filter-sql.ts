import type { Filter, Scalar } from '../../filter.ts';

/**
 * A filter as a SQL condition over the jsonb column `metadata`. Every name and value becomes a parameter, appended to
 * `params`. A field that is not there makes a condition false, so its `not` is true. An array matches by any member.
 */
export function filterSql(filter: Filter, params: unknown[]): string {
  const bind = (value: unknown, type: string) => `$${params.push(value)}::${type}`;
  const field = (name: string) => `(metadata -> ${bind(name, 'text')})`;

  function equals(name: string, value: Scalar): string {
    const json = bind(JSON.stringify(value), 'jsonb');
    // jsonb containment also holds between an array and a scalar member of it.
    return `(${field(name)} = ${json} or (jsonb_typeof(${field(name)}) = 'array' and ${field(name)} @> ${json}))`;
  }

  const OPERATORS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;
  function bound(name: string, operator: keyof typeof OPERATORS, value: number | string): string {
    const [type, sqlType] = typeof value === 'number' ? ['number', 'numeric'] : ['string', 'text'];
    const order = type === 'string' ? ' collate "C"' : '';
    // CASE, because AND may look at its sides in any order and the cast fails on other types.
    return `case when jsonb_typeof(${field(name)}) = '${type}' then (metadata ->> ${bind(name, 'text')})::${sqlType}${order} ${OPERATORS[operator]} ${bind(value, sqlType)} else false end`;
  }

  const all = (conditions: string[], joiner: 'and' | 'or') => `(${conditions.join(` ${joiner} `)})`;
  if ('eq' in filter)
    return all(
      Object.entries(filter.eq).map(([name, value]) => equals(name, value)),
      'and',
    );
  if ('in' in filter) {
    return all(
      Object.entries(filter.in).map(([name, values]) =>
        all(
          values.map((value) => equals(name, value)),
          'or',
        ),
      ),
      'and',
    );
  }
  if ('range' in filter) {
    const conditions = Object.entries(filter.range).flatMap(([name, bounds]) =>
      Object.entries(bounds)
        .filter(([, value]) => value !== undefined)
        .map(([operator, value]) => bound(name, operator as keyof typeof OPERATORS, value)),
    );
    return all(conditions, 'and');
  }
  if ('and' in filter)
    return all(
      filter.and.map((part) => filterSql(part, params)),
      'and',
    );
  if ('or' in filter)
    return all(
      filter.or.map((part) => filterSql(part, params)),
      'or',
    );
  return `(not coalesce(${filterSql(filter.not, params)}, false))`;
}
