/** Go's duration (`1h30m`, `0.5s`) in milliseconds; undefined for a text that is none. */
export function goDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3 };
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * (units[unit as string] as number);
  }
  return text.startsWith('-') ? -total : total;
}

const FACTORS: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity (`500m`, `2Gi`, `1e3`) as a number; undefined for a text that is none. */
export function quantity(value: unknown): number | undefined {
  const match = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?$/.exec(
    String(value),
  );
  if (!match) return undefined;
  return Number(match[1]) * (match[3] ? 10 ** Number(match[3]) : (FACTORS[match[2] ?? ''] as number));
}

const FIELDS: [min: number, max: number, names?: string][] = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12, 'jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec'],
  [0, 7, 'sun|mon|tue|wed|thu|fri|sat'],
];

/** Whether it is a cron schedule of five fields, or of six with seconds first, or `@daily` and its kind. */
export function isCron(text: string, { seconds = false } = {}): boolean {
  if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(text)) return true;
  const parts = text.trim().split(/\s+/);
  const fields = seconds ? [FIELDS[0] as (typeof FIELDS)[0], ...FIELDS] : FIELDS;
  return (
    parts.length === fields.length &&
    parts.every((part, at) => isCronField(part, ...(fields[at] as [number, number])))
  );
}

function isCronField(text: string, min: number, max: number, names?: string): boolean {
  return text.split(',').every((part) => {
    const match = /^(?:\*|\?|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) return false;
    const bounds = [match[1], match[2]].filter((bound) => bound !== undefined);
    const within = bounds.every((bound) => {
      if (names && new RegExp(`^(${names})$`, 'i').test(bound)) return true;
      return /^\d+$/.test(bound) && Number(bound) >= min && Number(bound) <= max;
    });
    return within && (match[3] === undefined || Number(match[3]) > 0);
  });
}
