/** What a spec needs of the worker that runs it, in the words of Hello.capabilities. Pure. */
import { BotLanguage, type BotSpec, type SimpleSource } from '#gen/botrunner/v1/bot_pb.js';

/** Everything a worker can be asked for; a worker that does not say what it can do is taken to do all of it. */
export const allCapabilities = [
  'mode.simple',
  'mode.custom',
  'mode.image',
  'language.python',
  'language.node',
] as const;

export function neededCapabilities({ source }: BotSpec): readonly string[] {
  switch (source.case) {
    case 'simple':
      return ['mode.simple', ...languageOf(source.value.language), ...formsOf(source.value)];
    case 'custom':
      return ['mode.custom'];
    case 'image':
      return ['mode.image'];
    case undefined:
      return [];
  }
}

/** What a worker of 0.1.0 would leave undone without a word. */
const formsOf = ({ requirementFiles, command }: SimpleSource): readonly string[] => [
  ...(requirementFiles.length > 0 ? ['requirements.files'] : []),
  ...(command.length > 0 ? ['run.command'] : []),
];

function languageOf(language: BotLanguage): readonly string[] {
  if (language === BotLanguage.PYTHON) return ['language.python'];
  return language === BotLanguage.NODE ? ['language.node'] : [];
}
