/**
 * One run of the program from words to exit code. All output goes to the context's streams. What only some runs need is
 * imported where it is needed: most of the time until the first answer goes into loading code.
 */

import { version } from '#common/version.ts';
import type { CommandSpec } from './argv/command-spec.ts';
import { normaliseArgv, type UsageMistake } from './argv/normalise.ts';
import type { CliContext } from './calls/context.ts';
import commandSpecs from './command-specs.json' with { type: 'json' };
import { loadCommand } from './commands/catalogue.ts';
import { bindWords } from './commands/register.ts';
import { type Complaint, complain } from './failures/errors.ts';
import { type ExitCode, exitCodes } from './failures/exit-codes.ts';
import { endEarly, tell } from './render/end-early.ts';

/** What there is, without a single class loaded: `npm run verify` sees that it is what the classes say. */
const commands = commandSpecs as unknown as readonly CommandSpec[]; // JSON has no tuples

/** Never throws. `argv` is without the names of Node.js and the program. */
export async function run(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const parsed = normaliseArgv(argv, commands);
  switch (parsed.kind) {
    case 'version':
      context.stdout.write(`${version}\n`);
      return exitCodes.done;
    case 'help': {
      const { renderHelp } = await import('./render/help.ts');
      context.stdout.write(`${renderHelp(parsed.command, commands, version)}\n`);
      return exitCodes.done;
    }
    case 'usage':
      return tell(usageComplaint(parsed), context, { json: argv.includes('--json'), verbose: false });
    case 'run': {
      const options = { json: parsed.argv.includes('--json'), verbose: parsed.argv.includes('--verbose') };
      try {
        const command = bindWords(await loadCommand(parsed.command), parsed.argv, context);
        return (await command.validateAndExecute()) as ExitCode; // BotCommand.execute returns nothing else
      } catch (error) {
        const url = parsed.argv.findLast((word) => word.startsWith('--url='))?.slice('--url='.length);
        const about = { botId: botOf(parsed.command, parsed.argv), command: parsed.command };
        return endEarly(error, context, { ...options, url, ...about });
      }
    }
  }
}

const usageComplaint = ({ message, hint }: UsageMistake): Complaint =>
  complain(exitCodes.usage, 'USAGE', message, hint).complaint;

/** The bot that a command is about; empty for others. */
function botOf(name: string, argv: readonly string[]): string {
  const about = commands.find((command) => command.name === name)?.positionals[0] === 'BOT';
  return about ? (argv[argv.indexOf('--') + 1] ?? '') : '';
}
