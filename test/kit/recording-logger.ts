/** A logger that keeps what it was given, as "level message" and its fields. */
import { type Logger, silentLogger } from '#common/log.ts';

export function createRecordingLogger(): {
  readonly logger: Logger;
  readonly lines: string[];
  readonly fields: unknown[];
} {
  const lines: string[] = [];
  const fields: unknown[] = [];
  const at = (level: string) => (given: unknown, message: string) => {
    fields.push(given);
    lines.push(`${level} ${message}`);
  };
  // The four methods of a logger that the code under test calls.
  const kept = { info: at('info'), warn: at('warn'), error: at('error'), debug: at('debug') };
  return { logger: Object.assign(Object.create(silentLogger) as Logger, kept), lines, fields };
}
