/** A command that ends early: the complaint on stderr, and the exit code that goes with it. */
import type { CliContext } from '../calls/context.ts';
import { type Complaint, complain, Interrupted, ownComplaint } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { defaultUrl } from '../options/settings.ts';
import { escapeControls, safeJson } from './escape.ts';
import { createStyle, wantsColour } from './style.ts';

export interface OutputOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

export interface EndOptions extends OutputOptions {
  /** The address that was given, if any. */
  readonly url: string | undefined;
  /** The bot that the command is about, if any. */
  readonly botId?: string;
  /** Its name, such as "worker list". */
  readonly command?: string;
}

/** Ends a command after anything that was thrown. */
export async function endEarly(
  error: unknown,
  context: CliContext,
  { url, botId = '', command = '', ...options }: EndOptions,
): Promise<ExitCode> {
  if (error instanceof Interrupted || context.signal.reason instanceof Interrupted) return exitCodes.interrupted;
  const address = url ?? (context.env['AVTOMATIKA_URL'] || defaultUrl);
  const complaint =
    ownComplaint(error) ?? (await (await import('../wire/refusals.ts')).complaintOfCall(error, address));
  if (complaint !== undefined)
    return tell({ ...complaint, botId: complaint.botId || botId, command }, context, options);
  if (options.verbose && error instanceof Error) context.stderr.write(`${escapeControls(error.stack ?? '')}\n`);
  const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const hint = 'Please report it, with the output of the same command with -v.';
  const bug = complain(exitCodes.failed, 'INTERNAL', `Bug in avtomatika-bot: ${name}.`, hint);
  return tell(bug.complaint, context, options);
}

export async function tell(
  complaint: Complaint,
  { env, stderr, terminal }: CliContext,
  { json, verbose }: OutputOptions,
): Promise<ExitCode> {
  const { complaintJson, renderComplaint } = await import('./complaint.ts');
  const style = createStyle({ terminal: terminal.stderr, colour: wantsColour(env) });
  stderr.write(json ? `${safeJson(complaintJson(complaint))}\n` : renderComplaint(complaint, style, verbose));
  return complaint.exitCode;
}
