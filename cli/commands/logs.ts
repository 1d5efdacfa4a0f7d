/** avtomatika-bot logs BOT */

import { fail, problem } from '#common/problem.ts';
import { callTimeoutMs } from '../client.ts';
import { Command, Option } from '../clipanion.ts';
import { write } from '../context.ts';
import { unwrapWords } from '../errors.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { markedState, stateWord } from '../render/bots.ts';
import { escapeControls } from '../render/escape.ts';
import { logEntryJson, renderLogLine } from '../render/log-lines.ts';
import { streamLogs } from '../stream-logs.ts';
import { BotCommand } from './bot-command.ts';

const linesMax = 10_000;

export class LogsCommand extends BotCommand {
  static override paths = [['logs']];
  static override usage = Command.Usage({
    description: 'Show the last lines of the log of a bot.',
    details:
      'The log holds what the bot wrote, the output of its build and what the platform did to it. On a terminal control ' +
      'characters are written out; in a pipe lines come exactly as the bot wrote them.',
    examples: [
      ['The last 100 lines', 'avtomatika-bot logs my-bot'],
      ['The last 50 lines', 'avtomatika-bot logs my-bot -n 50'],
      ['Every new line too, until Ctrl-C', 'avtomatika-bot logs my-bot -f'],
      ['With times, for programs', 'avtomatika-bot logs my-bot --lines 1000 --json'],
    ],
  });

  bot = Option.String();
  lines = Option.String('-n,--lines', '100', { description: 'How many of the last lines, 1 to 10000. Default: 100.' });
  follow = Option.Boolean('-f,--follow', false, {
    description: 'Go on with new lines until Ctrl-C, also when the orchestrator restarts.',
  });

  async execute(): Promise<ExitCode> {
    const lines = parseLines(this.lines);
    const { context, json, follow } = this;
    const { clock, random, signal, stdout, stderr } = context;
    const style = this.outStyle();
    await this.withClient(async (client) => {
      // Tells at once, and within a bound, whether there is such a bot and an orchestrator at all: the stream of a silent
      // bot has nothing to say for hours.
      const answer = await client.bots.getBot({ botId: this.bot }, { signal, timeoutMs: callTimeoutMs });
      if (style.terminal && !json && answer.bot !== undefined) {
        const state = markedState(stateWord(answer.bot.state), this.errStyle());
        stderr.write(`${this.errStyle().dim(`${escapeControls(answer.bot.botId)}: ${state}`)}\n`);
      }
      const onBroken = () => {
        stderr.write(`${this.errStyle().yellow('The connection was lost; trying again')}\n`);
      };
      const batches = streamLogs(client, { botId: this.bot, lines, follow }, { clock, random, signal, onBroken });
      for await (const entries of batches) {
        const render = json
          ? entries.map((entry) => `${JSON.stringify(logEntryJson(entry))}\n`)
          : entries.map((entry) => renderLogLine(entry, style));
        await write(stdout, render.join(''), signal);
      }
    });
    return exitCodes.done;
  }
}

function parseLines(text: string): number {
  const lines = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (lines >= 1 && lines <= linesMax) return lines;
  const hint = 'For example: avtomatika-bot logs my-bot -n 50';
  return unwrapWords(fail(problem('INVALID_LINES', `-n takes a number from 1 to ${linesMax}.`, { hint })));
}
