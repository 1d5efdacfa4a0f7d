/**
 * What is known to be wrong with one bot, by its log, and when it is over. Pure but for the state it is handed.
 *
 * 1. What a user's decision started begins without a diagnosis.
 * 2. An end that its own log does not explain takes an older explanation away.
 * 3. A bot that runs and has not said it for a while is well again, at once if it says so itself.
 */
import { explainLine, linesBefore, saysRecovered, shortened } from './causes.ts';

export interface Diagnosis {
  /** One line for `status`; undefined while nothing is known to be wrong. */
  text: string | undefined;
  /** Monotonic time of the last line that said so. */
  seenAtMs: number;
  /** Whether this start of the process has said it. */
  inThisRun: boolean;
  /** The last lines, oldest first. */
  readonly recent: string[];
  /** Lines since the process was started. */
  lines: number;
}

// Longer than the longest pause of the common libraries between two tries, and a long poll after it.
const quietMs = 90_000;

/** `known` is what the worker's previous process reported; the log is read on from where that one ended. */
export const recallDiagnosis = (known: string | undefined, nowMs: number): Diagnosis => ({
  text: known,
  seenAtMs: nowMs,
  inThisRun: true,
  recent: [],
  lines: Number.POSITIVE_INFINITY,
});

/** Takes in what the bot has printed. `ownModules` as in Line. */
export function readOutput(
  diagnosis: Diagnosis,
  texts: readonly string[],
  nowMs: number,
  ownModules?: ReadonlySet<string>,
): void {
  for (const text of texts) {
    diagnosis.lines += 1;
    const found = explainLine({ text, before: diagnosis.recent, number: diagnosis.lines, ownModules });
    if (found !== undefined) {
      diagnosis.text = found.text;
      diagnosis.seenAtMs = nowMs;
      diagnosis.inThisRun = true;
    } else if (saysRecovered(text)) diagnosis.text = undefined;
    // In place: a flood would leave a copy behind for each of its lines.
    diagnosis.recent.push(shortened(text));
    if (diagnosis.recent.length > linesBefore) diagnosis.recent.shift();
  }
}

/** The process is about to be started; `again`: by the restart policy. */
export function runBegins(diagnosis: Diagnosis, again: boolean): void {
  diagnosis.recent.length = 0;
  diagnosis.lines = 0;
  diagnosis.inThisRun = false;
  if (!again) diagnosis.text = undefined;
}

/** The process has ended on its own, and all its output has been read. */
export function runEnded(diagnosis: Diagnosis): void {
  if (!diagnosis.inThisRun) diagnosis.text = undefined;
}

/** When a running bot counts as well again; undefined when it does already. */
export const wellAtMs = ({ text, seenAtMs }: Diagnosis): number | undefined =>
  text === undefined ? undefined : seenAtMs + quietMs;

/** Call it while the bot runs. */
export function passTime(diagnosis: Diagnosis, nowMs: number): void {
  const wellAt = wellAtMs(diagnosis);
  if (wellAt !== undefined && nowMs >= wellAt) diagnosis.text = undefined;
}
