import { z } from 'zod';

/** One environment variable: where it is read, how it is validated, and what the reference page says of it. */
export interface Knob<T = unknown> {
  env: string;
  schema: z.ZodType<T>;
  doc: string;
  /** Never shown: not in logs, `/info` or error messages. */
  secret?: boolean;
  /** The default in words, where it depends on the machine. */
  usually?: string;
}
export type Knobs = Record<string, Knob>;
export type Config<K extends Knobs> = {
  readonly [Name in keyof K]: K[Name] extends Knob<infer T> ? T : never;
};

export function knob<T>(
  env: string,
  schema: z.ZodType<T>,
  doc: string,
  options: Pick<Knob, 'secret' | 'usually'> = {},
): Knob<T> {
  return { env, schema, doc, ...options };
}

/** Every configuration error at once, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Reads and validates all knobs; an empty variable counts as unset. Throws {@link ConfigError} listing every problem. */
export function readConfig<K extends Knobs>(knobs: K, env: Record<string, string | undefined>): Config<K> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { env: variable, schema, secret }] of Object.entries(knobs)) {
    const raw = env[variable] === '' ? undefined : env[variable];
    const parsed = schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else {
      const shown = raw === undefined ? 'unset' : secret ? '(secret)' : JSON.stringify(raw);
      problems.push(
        `${variable} (${shown}): ${parsed.error.issues.map((issue) => issue.message).join('; ')}`,
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Config<K>;
}

/** The configuration as it may be shown: secrets replaced by `***`. */
export function redact<K extends Knobs>(knobs: K, config: Config<K>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(knobs).map(([name, { env, secret }]) => [
      env,
      secret && config[name] !== undefined ? '***' : config[name],
    ]),
  );
}

const BYTE_UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 };

function unit(pattern: RegExp, units: Record<string, number>, example: string) {
  return z.string().transform((text, context) => {
    const match = pattern.exec(text);
    if (match) return Number(match[1]) * (units[match[2] ?? ''] ?? 1);
    context.addIssue({ code: 'custom', message: `expected a value like ${example}` });
    return z.NEVER;
  });
}

/** `10MiB`, `500kB`, `1048576` → bytes. */
export const bytes = (fallback: string) =>
  unit(/^(\d+)(B|kB|MB|GB|KiB|MiB|GiB)?$/, BYTE_UNITS, '10MiB')
    .prefault(fallback)
    .meta({ title: 'bytes' });
/** `250ms`, `30s`, `5m`, `1h` → milliseconds. */
export const duration = (fallback: string) =>
  unit(/^(\d+)(ms|s|m|h|d)$/, DURATION_UNITS, '30s')
    .prefault(fallback)
    .meta({ title: 'duration' });
/** A whole number within bounds. */
export const integer = (fallback: number, min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .prefault(String(fallback))
    .meta({ title: `${min} to ${max}` });
/** `a, b,c` → `['a', 'b', 'c']`. */
export const list = (fallback = '') =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    )
    .prefault(fallback)
    .meta({ title: 'list' });
export const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false', '1', '0'])
    .transform((text) => text === 'true' || text === '1')
    .prefault(String(fallback) as 'true' | 'false')
    .meta({ title: '`true`, `false`' });
export const url = () =>
  z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ title: 'URL' });
