/** avtomatika-bot worker adopt WORKER --list|--take ID...|--remove ID... */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import type { StrayContainer } from '#gen/botrunner/v1/worker_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { type Client, callTimeoutMs } from '../calls/client.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { renderOutcomes, renderStrays, strayJson, strayOutcomeJson } from '../render/strays.ts';
import { BotCommand } from './bot-command.ts';

// The worker has 60 s for each of few containers, and the orchestrator 90 s for it.
const decisionTimeoutMs = 100_000;

export class WorkerAdoptCommand extends BotCommand {
  static override paths = [['worker', 'adopt']];
  static override usage = Command.Usage({
    description: 'Decide about containers that a worker does not recognise.',
    details: [
      'Needs an admin token. A worker that has lost its DATA_DIR or key no longer recognises its containers: ' +
        'they keep running, and it leaves them alone. Their labels name an owner, but nothing proves it: look at ' +
        'each one before you decide.',
      '--list shows them. --take gives them back to the worker, which then controls their bots as before. ' +
        '--remove stops and removes them; volumes stay. IDs are those shown by --list, or their first characters.',
    ].join('\n\n'),
    examples: [
      ['Show them', 'avtomatika-bot worker adopt worker-1 --list'],
      ['Take these two', 'avtomatika-bot worker adopt worker-1 --take 4f0c2a9b8d11 9a61b2c07de4'],
      ['Remove this one', 'avtomatika-bot worker adopt worker-1 --remove 77aa01c9d2f3'],
    ],
  });

  list = Option.Boolean('--list', false, { description: 'Show the containers (the default).' });
  take = Option.Boolean('--take', false, { description: 'Give the named ones back to the worker.' });
  remove = Option.Boolean('--remove', false, { description: 'Stop and remove the named ones.' });
  words = Option.Rest({ name: 'WORKER [ID]', required: 1 });

  async execute(): Promise<ExitCode> {
    const [worker = '', ...ids] = this.words;
    if ([this.list, this.take, this.remove].filter(Boolean).length > 1) {
      throw complain(
        exitCodes.usage,
        'USAGE',
        'Give one of --list, --take and --remove.',
        'See: avtomatika-bot worker adopt --help',
      );
    }
    const isList = !this.take && !this.remove;
    if (isList && !this.list && ids.length > 0) {
      throw complain(
        exitCodes.usage,
        'USAGE',
        'Say what to do with it: give --take or --remove.',
        'See: avtomatika-bot worker adopt --help',
      );
    }
    if (isList !== (ids.length === 0)) {
      const message = isList ? '--list takes no container.' : 'No container is named.';
      throw complain(exitCodes.usage, 'USAGE', message, `List them with: avtomatika-bot worker adopt ${worker} --list`);
    }
    return this.withClient(async (client) => {
      const { signal } = this.context;
      const request = { workerId: worker };
      const { strays } = await client.for(AdminService).listStrays(request, { signal, timeoutMs: callTimeoutMs });
      if (!isList) return this.decide(client, worker, ids, strays);
      await this.answer({ worker_id: worker, containers: strays.map(strayJson) }, renderStrays(worker, strays));
      return exitCodes.done;
    });
  }

  private async decide(
    client: Client,
    worker: string,
    given: readonly string[],
    strays: readonly StrayContainer[],
  ): Promise<ExitCode> {
    const ids = given.map((id) => fullId(id, strays));
    const request = { workerId: worker, take: this.take ? ids : [], remove: this.remove ? ids : [] };
    const { outcomes } = await client
      .for(AdminService)
      .adoptStrays(request, { signal: this.context.signal, timeoutMs: decisionTimeoutMs });
    const done = this.take ? 'taken' : 'removed';
    const json = { worker_id: worker, containers: outcomes.map((outcome) => strayOutcomeJson(outcome, done)) };
    await this.answer(json, renderOutcomes(outcomes, strays, done));
    return outcomes.some(({ error }) => error !== undefined) ? exitCodes.failed : exitCodes.done;
  }
}

/** What is not the beginning of exactly one id is sent as it is: the orchestrator says what is wrong with it. */
function fullId(given: string, strays: readonly StrayContainer[]): string {
  const matching = strays.filter(({ id }) => id.startsWith(given));
  return (matching.length === 1 && matching[0]?.id) || given;
}
