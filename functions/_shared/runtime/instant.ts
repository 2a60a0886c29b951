const RFC3339 =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** An RFC 3339 date-time as milliseconds since the epoch; undefined when the text is none. A leap second counts as the second before it. */
export function parseInstant(text: string): number | undefined {
  if (!RFC3339.test(text)) return undefined;
  const instant = Date.parse(text.replace(/:60(?=[.Zz+-])/, ':59').toUpperCase());
  return Number.isNaN(instant) || !isInMonth(text) ? undefined : instant;
}

/** Date.parse takes 31 February for 3 March. */
function isInMonth(text: string): boolean {
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number);
  return (day ?? 0) <= new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate();
}
