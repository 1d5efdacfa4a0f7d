/** A logger that keeps what it was given, as "level message". */
import { type Logger, silentLogger } from '#common/log.ts';

export function createRecordingLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (_fields: unknown, message: string) => {
    lines.push(`${level} ${message}`);
  };
  // Of all that a logger has, the four that the code under test calls.
  const kept = { info: at('info'), warn: at('warn'), error: at('error'), debug: at('debug') };
  return { logger: Object.assign(Object.create(silentLogger) as Logger, kept), lines };
}
