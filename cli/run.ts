/** One run of the program from words to exit code. All output goes to the context's streams. */

import { version } from '#common/version.ts';
import { readCommandSpecs } from './argv/command-spec.ts';
import { normaliseArgv, type UsageMistake } from './argv/normalise.ts';
import { Cli } from './clipanion.ts';
import { CancelCommand } from './commands/cancel.ts';
import { DeleteCommand } from './commands/delete.ts';
import { EventsCommand } from './commands/events.ts';
import { JobStatusCommand } from './commands/job.ts';
import { ListCommand } from './commands/list.ts';
import { LogsCommand } from './commands/logs.ts';
import { RestartCommand } from './commands/restart.ts';
import { StartCommand } from './commands/start.ts';
import { StatusCommand } from './commands/status.ts';
import { StopCommand } from './commands/stop.ts';
import { TokenAddCommand } from './commands/token-add.ts';
import { TokenListCommand } from './commands/token-list.ts';
import { TokenRevokeCommand } from './commands/token-revoke.ts';
import { UpdateCommand } from './commands/update.ts';
import { WorkerCordonCommand, WorkerUncordonCommand } from './commands/worker-cordon.ts';
import { WorkerDrainCommand } from './commands/worker-drain.ts';
import { WorkerListCommand } from './commands/worker-list.ts';
import { WorkerReadmitCommand, WorkerRevokeCommand } from './commands/worker-revoke.ts';
import type { CliContext } from './context.ts';
import { type Complaint, complain, Interrupted, toComplaint } from './errors.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { complaintJson, renderComplaint } from './render/complaint.ts';
import { escapeControls } from './render/escape.ts';
import { renderHelp } from './render/help.ts';
import { createStyle, wantsColour } from './render/style.ts';
import { defaultUrl } from './settings.ts';

/** In the order of the help page. */
const commandClasses = [
  StartCommand,
  UpdateCommand,
  RestartCommand,
  StopCommand,
  DeleteCommand,
  LogsCommand,
  EventsCommand,
  ListCommand,
  StatusCommand,
  JobStatusCommand,
  CancelCommand,
  TokenAddCommand,
  TokenListCommand,
  TokenRevokeCommand,
  WorkerListCommand,
  WorkerCordonCommand,
  WorkerUncordonCommand,
  WorkerDrainCommand,
  WorkerRevokeCommand,
  WorkerReadmitCommand,
];

export function createCli(): Cli<CliContext> {
  return Cli.from<CliContext>(commandClasses, { binaryName: 'avtomatika-bot', binaryVersion: version });
}

/** Never throws. `argv` is without the names of Node.js and the program. */
export async function run(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const cli = createCli();
  const commands = readCommandSpecs(cli.definitions());
  const parsed = normaliseArgv(argv, commands);
  switch (parsed.kind) {
    case 'version':
      context.stdout.write(`${version}\n`);
      return exitCodes.done;
    case 'help': {
      context.stdout.write(`${renderHelp(parsed.command, commands, version)}\n`);
      return exitCodes.done;
    }
    case 'usage':
      return tell(usageComplaint(parsed), context, argv.includes('--json'), false);
    case 'run': {
      // The words were checked against the same definitions, so that this cannot refuse them.
      const command = cli.process([...parsed.argv], context);
      const options = { json: parsed.argv.includes('--json'), verbose: parsed.argv.includes('--verbose') };
      try {
        return (await command.validateAndExecute()) as ExitCode; // BotCommand.execute returns nothing else
      } catch (error) {
        return endEarly(error, context, options, urlOf(parsed.argv, context));
      }
    }
  }
}

interface OutputOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

function endEarly(error: unknown, context: CliContext, { json, verbose }: OutputOptions, url: string): ExitCode {
  if (error instanceof Interrupted || context.signal.reason instanceof Interrupted) return exitCodes.interrupted;
  const complaint = toComplaint(error, url);
  if (complaint !== undefined) return tell(complaint, context, json, verbose);
  if (verbose && error instanceof Error) context.stderr.write(`${escapeControls(error.stack ?? '')}\n`);
  const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const hint = 'Please report it, with the output of the same command with -v.';
  return tell(
    complain(exitCodes.failed, 'INTERNAL', `A bug in avtomatika-bot: ${name}.`, hint).complaint,
    context,
    json,
    verbose,
  );
}

function tell(complaint: Complaint, context: CliContext, json: boolean, verbose: boolean): ExitCode {
  const { stderr, terminal, env } = context;
  const style = createStyle({ terminal: terminal.stderr, colour: wantsColour(env) });
  stderr.write(json ? `${JSON.stringify(complaintJson(complaint))}\n` : renderComplaint(complaint, style, verbose));
  return complaint.exitCode;
}

const usageComplaint = ({ message, hint }: UsageMistake): Complaint =>
  complain(exitCodes.usage, 'USAGE', message, hint).complaint;

/** The address that messages name: as it was given, which may only be reached if it was a good one. */
function urlOf(argv: readonly string[], { env }: CliContext): string {
  const given = argv.findLast((word) => word.startsWith('--url='));
  return given?.slice('--url='.length) ?? (env['AVTOMATIKA_URL'] || defaultUrl);
}
