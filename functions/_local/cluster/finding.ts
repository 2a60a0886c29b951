/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, e.g. `Knative Serving`. */
  what: string;
  status: 'ok' | 'warning' | 'problem';
  detail: string;
  /** What to do about it. */
  fix?: string;
}

export const ok = (what: string, detail: string): Finding => ({ what, status: 'ok', detail });
export const warning = (what: string, detail: string, fix: string): Finding => ({
  what,
  status: 'warning',
  detail,
  fix,
});
export const problem = (what: string, detail: string, fix: string): Finding => ({
  what,
  status: 'problem',
  detail,
  fix,
});

/** Whether `version` (`1.19.0`, `v1.33`, `18.2 (Debian)`) is at least `least`. */
export function isAtLeast(version: string, least: string): boolean {
  const numbers = (text: string) => (/\d+(\.\d+)*/.exec(text)?.[0] ?? '').split('.').map(Number);
  const [own, other] = [numbers(version), numbers(least)];
  for (const [index, wanted] of other.entries()) {
    const has = own[index] ?? 0;
    if (has !== wanted) return has > wanted;
  }
  return true;
}
