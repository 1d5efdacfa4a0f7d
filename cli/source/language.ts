/** The languages of simple mode. Pure. */
import { BotLanguage } from '#gen/botrunner/v1/bot_pb.js';
import type { RunOptions, Runtime } from './choice.ts';

const endings: Readonly<Record<Runtime, RegExp>> = { python: /\.py$/, node: /\.([mc]?js|m?ts)$/ };

/** Whether a file is run by the runtime; without one, whether by any. */
export const isRunBy = (path: string, runtime: Runtime | undefined): boolean =>
  runtime === undefined ? /\.(py|[mc]?js|m?ts)$/.test(path) : endings[runtime].test(path);

/** Only what was asked for: else the ending of the entrypoint decides. */
export function languageOption({ runtime }: RunOptions): BotLanguage {
  switch (runtime) {
    case 'python':
      return BotLanguage.PYTHON;
    case 'node':
      return BotLanguage.NODE;
    case undefined:
      return BotLanguage.UNSPECIFIED;
  }
}
