import { z } from 'zod';

/** A metadata filter. Depth and size are bounded, so that no filter can be costlier than its query. */
const Scalar = z.union([z.string().max(1024), z.number(), z.boolean()]);
const Field = z.string().min(1).max(64);

export type Scalar = z.infer<typeof Scalar>;
export type Filter =
  | { eq: Record<string, Scalar> }
  | { in: Record<string, Scalar[]> }
  | {
      range: Record<
        string,
        { gt?: number | string; gte?: number | string; lt?: number | string; lte?: number | string }
      >;
    }
  | { and: Filter[] }
  | { or: Filter[] }
  | { not: Filter };

/** Values to compare with in a whole filter: each costs every row that is looked at. */
const MAX_CONDITIONS = 512;

function sizeOf(filter: Filter): number {
  if ('not' in filter) return sizeOf(filter.not);
  if ('and' in filter) return sum(filter.and.map(sizeOf));
  if ('or' in filter) return sum(filter.or.map(sizeOf));
  if ('eq' in filter) return Object.keys(filter.eq).length;
  if ('in' in filter) return sum(Object.values(filter.in).map((values) => values.length));
  return sum(Object.values(filter.range).map((bounds) => Object.keys(bounds).length));
}
const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);

const Bound = z.union([z.number(), z.string().max(64)]);
const one = <T extends z.ZodType>(value: T) =>
  z
    .record(Field, value)
    .refine((record) => Object.keys(record).length > 0 && Object.keys(record).length <= 16, '1 to 16 fields');

/** `{eq: {lang: "en"}}`, `{in: {team: ["a","b"]}}`, `{range: {year: {gte: 2020}}}`, `{and: […]}`, `{or: […]}`, `{not: …}`. An array-valued metadata field matches `eq`/`in` when any of its members does. */
export const Filter: z.ZodType<Filter> = z
  .lazy(() =>
    z.union(
      [
        z.strictObject({ eq: one(Scalar) }),
        z.strictObject({ in: one(z.array(Scalar).min(1).max(256)) }),
        z.strictObject({
          range: one(
            z
              .strictObject({
                gt: Bound.optional(),
                gte: Bound.optional(),
                lt: Bound.optional(),
                lte: Bound.optional(),
              })
              .refine((bounds) => Object.keys(bounds).length > 0, 'at least one bound'),
          ),
        }),
        z.strictObject({ and: z.array(Filter).min(1).max(16) }),
        z.strictObject({ or: z.array(Filter).min(1).max(16) }),
        z.strictObject({ not: Filter }),
      ],
      { error: 'expected one of eq, in, range, and, or, not, with what it takes' },
    ),
  )
  .refine((filter) => sizeOf(filter) <= MAX_CONDITIONS, `at most ${MAX_CONDITIONS} values in all`)
  .meta({ id: 'Filter', description: 'A filter over document metadata.' }) as unknown as z.ZodType<Filter>;
