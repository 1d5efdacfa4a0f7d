/** What a spec needs of the worker that runs it, in the words of Hello.capabilities. Pure. */
import { type Capability, capabilities } from '#common/capabilities.ts';
import { BotLanguage, type BotSpec, type CustomSource, type SimpleSource } from '#gen/botrunner/v1/bot_pb.js';

/** Everything a worker can be asked for; a worker that does not say what it can do is taken to do all of it. */
export const allCapabilities = [
  capabilities.simple,
  capabilities.custom,
  capabilities.image,
  capabilities.python,
  capabilities.node,
] as const satisfies readonly Capability[];

export const neededCapabilities = ({ source, readOnly, limits }: BotSpec): readonly Capability[] => [
  ...sourceNeeds(source),
  ...(readOnly === true ? [capabilities.readOnly] : []),
  ...(limits?.pids ? [capabilities.limitPids] : []),
  ...(limits?.stopSignal ? [capabilities.stopSignal] : []),
];

function sourceNeeds(source: BotSpec['source']): readonly Capability[] {
  switch (source.case) {
    case 'simple':
      return [capabilities.simple, ...languageOf(source.value.language), ...formsOf(source.value)];
    case 'custom':
      return [capabilities.custom, ...(hasBuildOptions(source.value) ? [capabilities.buildOptions] : [])];
    case 'image':
      return [capabilities.image];
    case undefined:
      return [];
  }
}

/** What a worker of 0.1.0 would silently leave undone. */
const formsOf = ({ requirementFiles, command }: SimpleSource): readonly Capability[] => [
  ...(requirementFiles.length > 0 ? [capabilities.requirementFiles] : []),
  ...(command.length > 0 ? [capabilities.runCommand] : []),
];

const hasBuildOptions = ({ buildArgs, target, dockerfile }: CustomSource): boolean =>
  Object.keys(buildArgs).length > 0 || target !== '' || dockerfile !== '';

function languageOf(language: BotLanguage): readonly Capability[] {
  if (language === BotLanguage.PYTHON) return [capabilities.python];
  return language === BotLanguage.NODE ? [capabilities.node] : [];
}
