/** avtomatika-bot events */
import { fail, problem } from '#common/problem.ts';
import { Command, Option } from '../argv/clipanion.ts';
import { type EventsRequest, streamEvents } from '../calls/stream-events.ts';
import { unwrapWords } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { safeJson } from '../render/escape.ts';
import { createEventRenderer, eventMessageJson } from '../render/events.ts';
import { write } from '../text/write.ts';
import { BotCommand } from './bot-command.ts';

const linesMax = 1_000;
const eventsForALine = 4;

export class EventsCommand extends BotCommand {
  static override paths = [['events']];
  static override usage = Command.Usage({
    description: 'Show what happened to your bots and jobs.',
    details:
      'Every change of a bot or a job is an event. Each is shown exactly once, even if the connection drops in ' +
      'between. Where events are no longer kept, the current state of the bots is shown instead, and a line says ' +
      'so.',
    examples: [
      ['The last 50 events', 'avtomatika-bot events'],
      ['Follow one bot until Ctrl-C', 'avtomatika-bot events --bot my-bot -f'],
      [
        'Crashes as they happen, for scripts',
        `avtomatika-bot events -f --json | jq -c 'select(.bot.status=="crash_loop")'`,
      ],
    ],
  });

  bot = Option.String('--bot', { description: 'Only events of this bot.' });
  lines = Option.String('-n,--tail,--lines', { description: 'How many of the last events, 0 to 1000. Default: 50.' });
  follow = Option.Boolean('-f,--follow', false, {
    description: 'Follow new events until Ctrl-C, across restarts of the orchestrator.',
  });
  cursor = Option.String('--cursor', { description: 'Start after the event with this cursor (shown by --json).' });

  async execute(): Promise<ExitCode> {
    const { context, json, follow, cursor } = this;
    const { clock, random, signal, stdout, stderr } = context;
    const count = this.#last();
    // Some events show nothing: ask for more, and print the last lines of what they show.
    const printed = json || follow || cursor !== undefined ? undefined : createLastTexts(count);
    const last = printed === undefined ? count : Math.min(count * eventsForALine, linesMax);
    const request: EventsRequest = { botId: this.bot ?? '', last, follow, resumeFrom: cursor ?? '' };
    const render = createEventRenderer(this.outStyle());
    const onBroken = () => {
      stderr.write(`${this.errStyle().yellow('Connection lost; reconnecting')}\n`);
    };
    await this.withClient(async (client) => {
      for await (const message of streamEvents(client, request, { clock, random, signal, onBroken })) {
        const shown = json ? eventMessageJson(message) : undefined;
        const text = json ? shown && `${safeJson(shown)}\n` : render(message);
        if (!text) continue;
        if (printed === undefined) await write(stdout, text, signal);
        else printed.add(text);
      }
    });
    if (printed !== undefined) await write(stdout, printed.all(), signal);
    return exitCodes.done;
  }

  #last(): number {
    const { lines = '50', cursor } = this;
    if (cursor !== undefined && this.lines !== undefined) {
      const hint = 'Leave out -n: --cursor shows all events after it.';
      return unwrapWords(fail(problem('CONFLICTING_FIELDS', '-n and --cursor cannot be combined.', { hint })));
    }
    const last = /^\d{1,9}$/.test(lines) ? Number(lines) : Number.NaN;
    if (last <= linesMax) return last;
    const hint = 'For example: avtomatika-bot events -n 100';
    return unwrapWords(fail(problem('INVALID_LINES', `-n takes a number from 0 to ${linesMax}.`, { hint })));
  }
}

/** Keeps the last `count` texts. */
function createLastTexts(count: number): { add(text: string): void; all(): string } {
  const texts: string[] = [];
  return {
    add(text) {
      texts.push(text);
      if (texts.length > count) texts.shift();
    },
    all: () => texts.join(''),
  };
}
