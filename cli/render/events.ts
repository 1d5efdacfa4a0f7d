/** Events as one line each, and as JSON with the field names of REST. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { Bot } from '#gen/botrunner/v1/bot_pb.js';
import type { BotsSnapshot, WatchBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Event } from '#gen/botrunner/v1/event_pb.js';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { botJson, exactTime, markedState, stateWord, timeText } from './bots.ts';
import { escapeControls } from './escape.ts';
import { statusWord } from './job.ts';
import { jobJson } from './job-panel.ts';
import type { Style } from './style.ts';

/**
 * Renders one message after the other: its lines, each with its line end; empty for one that only moves the place to resume
 * from. A decision that changes nothing people see is an event too: the same line about a bot is not shown twice in a row.
 */
export function createEventRenderer(style: Style): (message: WatchBotsResponse) => string {
  const last = new Map<string, string>();
  return (message) => {
    const { update } = message;
    if (update.case === 'event' && update.value.subject.case === 'bot' && update.value.notice === undefined) {
      const { botId, deleted } = update.value;
      const text = deleted ? 'deleted' : botText(update.value.subject.value, style);
      if (last.get(botId) === text) return '';
      last.set(botId, text);
    }
    return renderEventMessage(message, style);
  };
}

function renderEventMessage({ update }: WatchBotsResponse, style: Style): string {
  switch (update.case) {
    case 'event':
      return `${renderEvent(update.value, style)}\n`;
    case 'snapshot':
      return renderSnapshot(update.value, style);
    default:
      return '';
  }
}

function renderEvent(event: Event, style: Style): string {
  const head = `${style.dim(timeText(event.time) ?? '-')}  ${escapeControls(event.botId) || '-'}`;
  switch (event.subject.case) {
    case 'bot': {
      const { notice, deleted } = event;
      if (notice !== undefined) return `${head}  ${style.yellow(escapeControls(notice.message))}`;
      return `${head}  ${deleted ? 'deleted' : botText(event.subject.value, style)}`;
    }
    case 'job':
      return `${head}  ${jobText(event.subject.value)}`;
    default:
      // Something that only a newer orchestrator reports.
      return head;
  }
}

function botText(bot: Bot, style: Style): string {
  const facts = [
    bot.exitCode === undefined ? '' : `exit code ${bot.exitCode}`,
    bot.nextTryAt === undefined ? '' : `next try ${timeText(bot.nextTryAt)}`,
    escapeControls(bot.reason),
  ].filter((fact) => fact !== '');
  return [markedState(stateWord(bot.state), style), ...facts].join(', ');
}

function jobText(job: Job): string {
  const why = job.error?.message ?? job.reason;
  const name = `${escapeControls(job.action || job.blueprint)} ${escapeControls(job.jobId)}`;
  return `${name}: ${statusWord(job.status)}${why ? `, ${escapeControls(why)}` : ''}`;
}

function renderSnapshot({ reason, bots }: BotsSnapshot, style: Style): string {
  // Without a reason nothing is missing: it only says how things stand at the beginning.
  if (reason === '') return '';
  const lines = bots.map((bot) => `${style.dim('now')}  ${escapeControls(bot.botId)}  ${botText(bot, style)}`);
  return [style.yellow(escapeControls(reason)), ...lines, ''].join('\n');
}

/** Undefined for a message that only moves the place to resume from. */
export function eventMessageJson({ update, resumeFrom }: WatchBotsResponse): JsonObject | undefined {
  switch (update.case) {
    case 'event':
      return { ...eventJson(update.value), cursor: resumeFrom };
    case 'snapshot':
      return {
        kind: 'snapshot',
        bots: update.value.bots.map(botJson),
        reason: update.value.reason,
        cursor: resumeFrom,
      };
    default:
      return undefined;
  }
}

function eventJson(event: Event): JsonObject {
  const head = {
    event_id: event.eventId,
    seq: Number(event.seq),
    time: exactTime(event.time),
    kind: event.subject.case ?? 'unknown',
    user_id: event.userId,
    bot_id: event.botId,
  };
  switch (event.subject.case) {
    case 'bot':
      return {
        ...head,
        bot_seq: Number(event.botSeq),
        bot: botJson(event.subject.value),
        ...(event.notice ? { notice: { code: event.notice.code, message: event.notice.message } } : {}),
        ...(event.deleted ? { deleted: true } : {}),
      };
    case 'job':
      return { ...head, job: jobJson(event.subject.value) };
    default:
      return head;
  }
}
