/** Safety checks of the orchestrator and of workers, as `doctor` and `worker list` show them. Pure. */
import type { JsonObject } from '#common/json.ts';
import { type Worker, WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import type { SafetyCheck, SafetyReport } from '#gen/botrunner/v1/safety_pb.js';
import { escapeControls } from './escape.ts';
import type { Style } from './style.ts';
import { wrapText } from './wrap.ts';

export interface Examined {
  readonly orchestrator: SafetyReport;
  readonly workers: readonly Worker[];
}

/** Whether it was seen that strangers may start bots: checks were made, none has failed, and a worker takes bots. */
export function isProved({ orchestrator, workers }: Examined): boolean {
  const connected = workers.filter(isConnected);
  return (
    orchestrator.strangers &&
    orchestrator.checks.length > 0 &&
    orchestrator.checks.every(({ ok }) => ok) &&
    connected.length > 0 &&
    connected.every(({ startsRefused }) => !startsRefused)
  );
}

const isConnected = ({ state, revoked }: Worker): boolean => state !== WorkerState.AWAY && !revoked;

const nameWidth = 12;
const indent = ' '.repeat(2 + 6 + nameWidth);
const lineWidth = 100;

/** A paragraph for each, and a line that sums it up. */
export function renderExamined(examined: Examined, style: Style): string {
  const { orchestrator, workers } = examined;
  const paragraphs = [
    renderReport('orchestrator', orchestrator, style),
    ...workers.map((worker) => renderWorker(worker, style)),
  ];
  return [...paragraphs, summary(examined)].join('\n\n');
}

function renderWorker(worker: Worker, style: Style): string {
  const name = `worker ${escapeControls(worker.workerId)}`;
  if (!isConnected(worker)) {
    return `${style.bold(name)}\n  ${escapeControls(worker.reason) || 'it may not join'}: its checks are not known.`;
  }
  const { safety } = worker;
  if (safety === undefined || !safety.strangers) {
    return `${style.bold(name)}\n${line('FAIL', 'strangers', 'It does not run with STRANGERS=1, so it checks nothing.', 'Set STRANGERS=1 for the worker, and restart it.', style)}`;
  }
  return renderReport(name, safety, style);
}

function renderReport(name: string, { strangers, checks, ageMs }: SafetyReport, style: Style): string {
  if (!strangers) return `${style.bold(name)}\n  It does not run with STRANGERS=1, so it checks nothing.`;
  if (checks.length === 0) return `${style.bold(name)}\n  Its checks are being made for the first time.`;
  const head = `${style.bold(name)}, checked ${ageText(ageMs)}`;
  return [head, ...checks.map((check) => renderCheck(check, style))].join('\n');
}

const renderCheck = ({ name, ok, message, hint }: SafetyCheck, style: Style): string =>
  line(ok ? 'ok' : 'FAIL', name, message, ok ? '' : hint, style);

function line(word: string, name: string, message: string, hint: string, style: Style): string {
  const mark = word.padEnd(6);
  const first = `  ${word === 'ok' ? mark : style.red(mark)}${escapeControls(name).padEnd(nameWidth)}`;
  const texts = [message, hint]
    .filter((text) => text !== '')
    .flatMap((text) => wrapText(escapeControls(text), lineWidth - indent.length));
  return texts.map((text, at) => (at === 0 ? `${first}${text}` : `${indent}${text}`)).join('\n');
}

const ageText = (ageMs: bigint): string => {
  const seconds = Math.round(Number(ageMs) / 1000);
  return seconds < 1 ? 'now' : seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
};

function summary(examined: Examined): string {
  const { orchestrator, workers } = examined;
  if (isProved(examined)) return 'Every check holds: strangers may start bots.';
  if (!orchestrator.strangers) {
    return 'Nothing is proved: the orchestrator runs without STRANGERS=1. See docs/SECURITY.md.';
  }
  if (!orchestrator.checks.every(({ ok }) => ok))
    return 'No new bots are started until this is right. Bots that run are left alone.';
  const connected = workers.filter(isConnected);
  const refused = connected.filter(({ startsRefused }) => startsRefused).length;
  if (connected.length === 0) return 'No worker is connected.';
  return refused === connected.length
    ? 'No new bots are started until this is right. Bots that run are left alone.'
    : `No new bots are started on ${refused} of ${connected.length} workers. Bots that run are left alone.`;
}

/** The checks of a worker that have failed, with the cure, a line each; for `worker list`. */
export const failedChecks = ({ workerId, safety }: Worker): readonly string[] =>
  (safety?.checks ?? [])
    .filter(({ ok }) => !ok)
    .map(({ name, message, hint }) =>
      escapeControls(`${workerId}: ${name}: ${message}${hint === '' ? '' : ` ${hint}`}`),
    );

export const safetyJson = (safety: SafetyReport | undefined): JsonObject | null =>
  safety === undefined
    ? null
    : {
        strangers: safety.strangers,
        age_ms: Number(safety.ageMs),
        checks: safety.checks.map(({ name, ok, message, hint }) => ({
          name,
          ok,
          message,
          hint: hint === '' ? null : hint,
        })),
      };
