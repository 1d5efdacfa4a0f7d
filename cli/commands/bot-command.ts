/** What all commands share: the global options, and the way to the orchestrator. */

import type { JsonObject } from '#common/json.ts';
import { Command, Option } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import type { CliContext } from '../calls/context.ts';
import { patientClient } from '../calls/patience.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { cleartextWarning, readSettings } from '../options/settings.ts';
import { safeJson } from '../render/escape.ts';
import { createStyle, type Style, wantsColour } from '../render/style.ts';
import { write } from '../text/write.ts';

export abstract class BotCommand extends Command<CliContext> {
  url = Option.String('--url', {
    description: 'Address of the orchestrator. Default: AVTOMATIKA_URL, else http://localhost:8000.',
  });
  token = Option.String('--token', {
    description: 'Your token. Default: AVTOMATIKA_TOKEN. Other users of this machine can see options in ps.',
  });
  json = Option.Boolean('--json', false, { description: 'Print JSON; streams print one object per line.' });
  verbose = Option.Boolean('-v,--verbose', false, { description: 'Print more, for example the details of an error.' });

  abstract override execute(): Promise<ExitCode>;

  /** Runs `work` with a connection and ends it after. Throws CliError before connecting if the settings are wrong. */
  protected async withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const settings = readSettings(this, this.context.env);
    const warning = cleartextWarning(settings.url);
    if (warning !== undefined) this.context.stderr.write(`${this.errStyle().yellow(warning)}\n`);
    const { clock, random, signal, stderr } = this.context;
    const onWait = (seconds: number) => {
      if (this.verbose) stderr.write(`Too much at once: trying again in ${seconds} s.\n`);
    };
    const client = patientClient(await this.context.openClient(settings), { clock, random, signal, onWait });
    try {
      return await work(client);
    } finally {
      client.close();
    }
  }

  protected outStyle(): Style {
    return createStyle({ terminal: this.context.terminal.stdout, colour: wantsColour(this.context.env) });
  }

  protected errStyle(): Style {
    return createStyle({ terminal: this.context.terminal.stderr, colour: wantsColour(this.context.env) });
  }

  /** Prints the answer: JSON when asked for, else the text. */
  protected answer(json: JsonObject, text: string): Promise<void> {
    const { stdout, signal } = this.context;
    return write(stdout, `${this.json ? safeJson(json) : text}\n`, signal);
  }
}
