/**
 * One run of the program from words to exit code. All output goes to the context's streams. What only some runs need is
 * imported where it is needed: the time until the first answer is mostly that of loading code.
 */

import { version } from '#common/version.ts';
import type { CommandSpec } from './argv/command-spec.ts';
import { normaliseArgv, type UsageMistake } from './argv/normalise.ts';
import { bindWords } from './command.ts';
import commandSpecs from './command-specs.json' with { type: 'json' };
import { loadCommand } from './commands/catalogue.ts';
import type { CliContext } from './context.ts';
import { type Complaint, complain, Interrupted, ownComplaint } from './errors.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { escapeControls } from './render/escape.ts';
import { createStyle, wantsColour } from './render/style.ts';
import { defaultUrl } from './settings.ts';

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
      return tell(usageComplaint(parsed), context, argv.includes('--json'), false);
    case 'run': {
      const options = { json: parsed.argv.includes('--json'), verbose: parsed.argv.includes('--verbose') };
      try {
        const command = bindWords(await loadCommand(parsed.command), parsed.argv, context);
        return (await command.execute()) as ExitCode; // BotCommand.execute returns nothing else
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

async function endEarly(
  error: unknown,
  context: CliContext,
  { json, verbose }: OutputOptions,
  url: string,
): Promise<ExitCode> {
  if (error instanceof Interrupted || context.signal.reason instanceof Interrupted) return exitCodes.interrupted;
  const complaint = ownComplaint(error) ?? (await import('./wire/refusals.ts')).complaintOfCall(error, url);
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

async function tell(complaint: Complaint, context: CliContext, json: boolean, verbose: boolean): Promise<ExitCode> {
  const { complaintJson, renderComplaint } = await import('./render/complaint.ts');
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
