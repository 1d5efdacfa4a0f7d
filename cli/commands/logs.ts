/** avtomatika-bot logs BOT */

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { fail, problem } from '#common/problem.ts';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type LogWish, streamLogs } from '../calls/stream-logs.ts';
import { unwrapWords } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { parseAgoMs, parseLogTime } from '../options/log-time.ts';
import { markedState, stateWord } from '../render/bots.ts';
import { escapeControls, safeJson } from '../render/escape.ts';
import { logEntryJson, renderLogLine, renderRawLogLine } from '../render/log-lines.ts';
import { write } from '../text/write.ts';
import { BotCommand } from './bot-command.ts';

const linesMax = 10_000;

export class LogsCommand extends BotCommand {
  static override paths = [['logs']];
  static override usage = Command.Usage({
    description: "Show the last lines of a bot's log.",
    details: [
      "The log holds the bot's output, the output of its builds and what the platform did to it. It is kept " +
        'across restarts, updates and stops. Escape sequences that a bot prints (colours, cursor movements) are left out ' +
        'and other control characters written as \\xNN, so that no bot can act on your terminal; --raw shows its lines ' +
        'exactly as it wrote them.',
      'TIME is a duration such as 10m or 1h30m (units ms, s, m, h, d), counted back from now, or a time such as ' +
        '2026-11-22T15:00:00Z.',
    ].join('\n\n'),
    examples: [
      ['The last 100 lines', 'avtomatika-bot logs my-bot'],
      ['The last 50 lines', 'avtomatika-bot logs my-bot -n 50'],
      ['Follow the log until Ctrl-C', 'avtomatika-bot logs my-bot -f'],
      ['Only new lines', 'avtomatika-bot logs my-bot -n 0 -f'],
      ['What went wrong in the last hour', 'avtomatika-bot logs my-bot --since 1h --grep ERROR --timestamps'],
      ['How it was built', 'avtomatika-bot logs my-bot --build -n 1000'],
      ['Byte for byte, into a file', 'avtomatika-bot logs my-bot -n all --raw > my-bot.log'],
      ['For scripts', 'avtomatika-bot logs my-bot --lines 1000 --json'],
    ],
  });

  bot = Option.String();
  lines = Option.String('-n,--tail,--lines', {
    description:
      'How many of the last lines, 1 to 10000, or all; 0 with -f: only new ones. Default: 100, or all with --since.',
  });
  follow = Option.Boolean('-f,--follow', false, {
    description: 'Follow new lines until Ctrl-C, across restarts of orchestrator and worker.',
  });
  since = Option.String('--since', { description: 'Only lines of TIME or later.' });
  until = Option.String('--until', { description: 'Only lines of TIME or earlier.' });
  grep = Option.String('--grep', { description: 'Only lines that contain TEXT (plain text, not a pattern).' });
  timestamps = Option.Boolean('-t,--timestamps', false, { description: 'Prefix each line with its time, in UTC.' });
  build = Option.Boolean('--build', false, { description: 'Only the output of builds and pulls.' });
  raw = Option.Boolean('--raw', false, {
    description: "Show the bot's lines exactly as it wrote them, escape sequences included.",
  });
  cursor = Option.String('--cursor', { description: 'Start after the line with this cursor (shown by --json).' });

  async execute(): Promise<ExitCode> {
    const { context, json, follow, timestamps } = this;
    const { clock, random, signal, stdout, stderr } = context;
    if (this.raw && json) {
      const hint = 'Leave out --raw: with --json, text is what the bot wrote.';
      unwrapWords(fail(problem('CONFLICTING_FIELDS', '--raw and --json cannot be combined.', { hint })));
    }
    const lines = this.#lines();
    const times = this.#times(clock.wallMs());
    const request: LogWish = {
      botId: this.bot,
      lines: lines === 'all' ? 0 : lines,
      newOnly: this.lines !== undefined && lines === 0,
      follow,
      ...times,
      ...(lines === 'all' && { since: times.since ?? timestampFromMs(0) }),
      grep: this.#grep(),
      buildOnly: this.build,
      afterCursor: this.cursor ?? '',
    };
    const style = this.outStyle();
    await this.withClient(async (client) => {
      // Shows at once, within a bound, whether the bot and the orchestrator exist at all: the stream of a silent bot may
      // bring nothing for hours.
      const answer = await client.for(BotService).getBot({ botId: this.bot }, { signal, timeoutMs: callTimeoutMs });
      if (style.terminal && !json && answer.bot !== undefined) {
        const state = markedState(stateWord(answer.bot.state), this.errStyle());
        stderr.write(`${this.errStyle().dim(`${escapeControls(answer.bot.botId)}: ${state}`)}\n`);
      }
      if (request.newOnly === true && !follow) return;
      const onBroken = () => {
        stderr.write(`${this.errStyle().yellow('Connection lost; reconnecting')}\n`);
      };
      for await (const { entries } of streamLogs(client, request, { clock, random, signal, onBroken })) {
        const render = json
          ? entries.map((entry) => `${safeJson(logEntryJson(entry))}\n`)
          : entries.map((entry) =>
              this.raw ? renderRawLogLine(entry, timestamps) : renderLogLine(entry, style, timestamps),
            );
        await write(stdout, render.join(''), signal);
      }
    });
    return exitCodes.done;
  }

  #lines(): number | 'all' {
    if (this.lines === undefined) return this.since === undefined ? 100 : 0;
    if (this.cursor === undefined) return parseLines(this.lines);
    const hint = 'Leave out -n: --cursor shows all lines after it.';
    return unwrapWords(fail(problem('CONFLICTING_FIELDS', '-n and --cursor cannot be combined.', { hint })));
  }

  #times(nowMs: number): Pick<LogWish, 'since' | 'until' | 'sinceAgoMs' | 'untilAgoMs'> {
    const read = (option: string, text: string | undefined) =>
      text === undefined ? undefined : unwrapWords(parseLogTime(option, text, nowMs));
    return {
      since: read('--since', this.since),
      until: read('--until', this.until),
      sinceAgoMs: parseAgoMs(this.since ?? ''),
      untilAgoMs: parseAgoMs(this.until ?? ''),
    };
  }

  #grep(): string {
    if (this.grep === undefined || (this.grep !== '' && this.grep.length <= 256 && !/[\r\n]/.test(this.grep))) {
      return this.grep ?? '';
    }
    return unwrapWords(fail(problem('INVALID_GREP', '--grep takes 1 to 256 characters, without a line break.')));
  }
}

function parseLines(text: string): number | 'all' {
  if (text === 'all') return text;
  const lines = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (lines <= linesMax) return lines;
  const hint = 'For example: avtomatika-bot logs my-bot -n 50';
  return unwrapWords(
    fail(problem('INVALID_LINES', `-n takes a number from 1 to ${linesMax}, all, or 0 with -f.`, { hint })),
  );
}
