/**
 * The service log: JSON lines on stderr through pino. Never give it a spec, an env or a request body.
 *
 * A disk that cannot be written to fails everything at once, again and again. It is reported in one line that says what to do, and
 * again once a minute; the single failures, which it explains, are not.
 */
import { type Logger, pino } from 'pino';
import { diskFaultOf, diskFaultSentences } from './disk-fault.ts';

export type { Logger };

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const sayAgainMs = 60_000;

/** A logger for one program. `destination` is stderr unless given. Writes synchronously to stderr, so that the last lines before a crash are not lost. */
export function createLogger(
  program: string,
  level: LogLevel = 'info',
  destination: { write(line: string): void } = pino.destination({ fd: 2, sync: true }),
): Logger {
  const saidAtMs = new Map<string, number>();
  return pino(
    {
      level,
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(inputs, method) {
          const [facts] = inputs as readonly unknown[];
          const error = typeof facts === 'object' && facts !== null && 'err' in facts ? facts.err : undefined;
          const fault = error === undefined ? undefined : diskFaultOf(error);
          if (fault === undefined) return method.apply(this, inputs);
          const [saidMs, nowMs] = [saidAtMs.get(fault), performance.now()];
          if (saidMs !== undefined && nowMs - saidMs < sayAgainMs) return;
          saidAtMs.set(fault, nowMs);
          const path = error instanceof Error && 'path' in error ? { path: error.path } : {};
          method.apply(this, [
            path,
            `${diskFaultSentences[fault]}; what could not be written in the meantime is retried or lost`,
          ]);
        },
      },
    },
    destination,
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
