import { pino } from 'pino';
import type { Logger } from '../stage.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** JSON lines on standard error: standard output belongs to what a program was asked for. */
export function createLogger(
  level: (typeof LOG_LEVELS)[number],
  fields: Record<string, unknown> = {},
): Logger {
  return pino({ level, base: fields, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
}
