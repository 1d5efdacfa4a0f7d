/** The languages of simple mode. Pure. */
import { BotLanguage } from '#gen/botrunner/v1/bot_pb.js';
import type { RunOptions, Runtime } from './choice.ts';

const endings: Readonly<Record<Runtime, RegExp>> = { python: /\.py$/, node: /\.([mc]?js|m?ts)$/ };

/** Whether a file is run by the runtime; without one, whether by any. */
export const isRunBy = (path: string, runtime: Runtime | undefined): boolean =>
  runtime === undefined ? /\.(py|[mc]?js|m?ts)$/.test(path) : endings[runtime].test(path);

const options: Readonly<Record<Runtime, BotLanguage>> = { python: BotLanguage.PYTHON, node: BotLanguage.NODE };

/** The language itself, where no ending decides. */
export const languageNamed = (runtime: Runtime): BotLanguage => options[runtime];

/** Only what was asked for: else the ending of the entrypoint decides. */
export function languageOption({ runtime }: Pick<RunOptions, 'runtime'>): BotLanguage {
  return runtime === undefined ? BotLanguage.UNSPECIFIED : options[runtime];
}
