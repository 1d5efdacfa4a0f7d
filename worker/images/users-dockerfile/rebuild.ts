/** The instructions of a Dockerfile written anew, stage by stage. Pure. */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { type AddedFile, readAdd } from './added.ts';
import { writtenWords } from './copy-words.ts';
import { type Lacking, lackingIn, mayAddRemote } from './features.ts';
import { builtImage, forbiddenImage, imageWord, readFrom, writtenFrom } from './from.ts';
import { hereDocuments, mayOpenOthers } from './here-documents.ts';
import type { Instruction, Option } from './instruction.ts';
import { readMount } from './mounts.ts';
import { platformVariables } from './platform.ts';
import { createStageScope, type StageScope } from './scope.ts';
import { createStages } from './stages.ts';
import type { DockerfileTerms, PreparedDockerfile } from './terms.ts';
import { expandWord } from './variables.ts';
import { isJsonForm, splitWords } from './words.ts';
import { written } from './written.ts';

/** With what the builder turned out not to have once variables were put in. */
export interface Rebuilt extends PreparedDockerfile {
  readonly late: readonly Lacking[];
}

const valuesMaxLength = 1024 * 1024;
const addedMax = 50;
const stagesMax = 500;

/** Variables that need no ARG. */
const predefined = /^(?:https?|ftp|no|all)_proxy$/i;

export function rebuild(all: readonly Instruction[], escapeChar: string, terms: DockerfileTerms): Result<Rebuilt> {
  const { platform, frontend, buildArgs, target, cacheScope, addedImage } = terms;
  const writing = { frontend, escapeChar };
  const cut = upToTarget(all, target);
  if (!cut.ok) return cut;
  const automatic = new Map([
    ...platformVariables(platform),
    ...(target === '' ? [] : [['TARGETSTAGE', target] as const]),
  ]);
  /** From the ARGs before the first FROM. */
  const globals = new Map(automatic);
  const ownGlobals = new Set<string>();
  const declared = new Set<string>();
  const stages = createStages();
  const scopes = new Map<string, StageScope>();
  let scope: StageScope | undefined;
  const bases = new Set<string>();
  const mentioned = new Set<string>();
  const platforms = new Map<string, string>();
  const added: AddedFile[] = [];
  const late: Lacking[] = [];
  // The directive must be the first line there is; what is above the first instruction is comments.
  const out: string[] = escapeChar === '\\' ? [] : [`# escape=${escapeChar}`];
  let length = 0;

  const given = (name: string): string | undefined => (Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined);
  const withValue = (word: string): string => {
    const value = ownGlobals.has(word) ? undefined : automatic.get(word);
    return value === undefined ? word : `${word}=${value}`;
  };
  const takeGlobal = ({ line, rest }: Instruction): Result<undefined> => {
    for (const word of splitWords(rest, escapeChar)) {
      const [name = '', value] = nameAndValue(word);
      declared.add(name);
      const expanded = value === undefined ? undefined : expandWord(value, globals, escapeChar);
      const settled = given(name) ?? expanded?.value;
      length += settled?.length ?? 0;
      if ((value !== undefined && expanded === undefined) || length > valuesMaxLength)
        return fail(unreadableValue(line));
      if (settled !== undefined) {
        globals.set(name, settled);
        ownGlobals.add(name);
      }
      out.push(`ARG ${word}`);
    }
    return ok(undefined);
  };
  const takeArg = ({ rest }: Instruction, here: StageScope): void => {
    for (const word of splitWords(rest, escapeChar)) {
      const [name = '', value] = nameAndValue(word);
      declared.add(name);
      const expanded = value === undefined ? undefined : expandWord(value, here.variables, escapeChar);
      const own = expanded === undefined || expanded.unset.length > 0 ? undefined : expanded.value;
      here.setArg(name, given(name) ?? (value === undefined ? globals.get(name) : own));
      // One on each line: engines before 23 take no more.
      out.push(`ARG ${withValue(word)}`);
    }
  };
  /** An origin as it is written; an image is noted. */
  const takeOrigin = (name: string, what: string, line: number, images: Set<string>): Result<string> => {
    if (!imageWord.test(name)) return fail(oddOrigin(what, line));
    if (builtImage.test(name)) return fail(forbiddenImage(what, line));
    const origin = stages.originOf(name);
    if (origin === undefined) return fail(noStage(what, name, line));
    if (origin.kind === 'stage') return ok(origin.text);
    images.add(name);
    return ok(name);
  };
  const takeOptions = (instruction: Instruction, images: Set<string>): Result<Instruction> => {
    const options: Option[] = [];
    const { keyword, line } = instruction;
    for (const option of instruction.options) {
      const { name, value = '' } = option;
      if (keyword === 'COPY' && name === 'from') {
        const origin = takeOrigin(value, 'COPY --from', line, images);
        if (!origin.ok) return origin;
        options.push({ name, value: origin.value });
      } else if (keyword === 'RUN' && name === 'mount') {
        const mount = readMount(value, line, cacheScope, (from) => takeOrigin(from, 'RUN --mount', line, images));
        if (!mount.ok) return mount;
        options.push({ name, value: mount.value });
      } else options.push(option);
    }
    return ok({ ...instruction, options });
  };
  const takeAdd = (instruction: Instruction, here: StageScope): Result<undefined> => {
    const read = readAdd(instruction, here.variables, escapeChar);
    if (!read.ok) return read;
    const { parts, destination } = read.value;
    const kept = instruction.options.filter(({ name }) => name === 'chown');
    for (const part of parts) {
      if (part.kind === 'local') {
        const local = { ...instruction, rest: writtenWords([...part.sources, destination]) };
        for (const refused of lackingIn(local, escapeChar, frontend)) late.push(refused);
        out.push(written(local, writing));
        continue;
      }
      const { file } = part;
      const path = destination.endsWith('/') ? `/${added.length}/` : `/${added.length}/${file.name}`;
      added.push(file);
      const options = [{ name: 'from', value: addedImage }, ...kept];
      out.push(written({ ...instruction, keyword: 'COPY', options, rest: writtenWords([path, destination]) }, writing));
    }
    return added.length > addedMax ? fail(tooManyAdded()) : ok(undefined);
  };
  const take = (instruction: Instruction): Result<undefined> => {
    const { line, keyword, trigger } = instruction;
    if (keyword === 'FROM') {
      const from = readFrom(instruction, globals, escapeChar, platform);
      if (!from.ok) return from;
      const { image, stage, foreign } = from.value;
      const isStage = stages.isBase(image);
      if (!isStage) {
        bases.add(image);
        if (foreign !== undefined) platforms.set(image, foreign);
      }
      if (!stages.begin(stage)) return fail(twoStages(stage ?? '', line));
      if (stages.count > stagesMax) return fail(tooManyStages());
      scope = createStageScope(scopes.get(image.toLowerCase())?.env);
      if (stage !== undefined) scopes.set(stage.toLowerCase(), scope);
      out.push(writtenFrom(isStage ? image.toLowerCase() : image, from.value));
      return ok(undefined);
    }
    if (scope === undefined) return keyword === 'ARG' ? takeGlobal(instruction) : fail(beforeFrom(keyword, line));
    if (keyword === 'ARG') {
      takeArg(instruction, scope);
      return ok(undefined);
    }
    if (keyword === 'ENV') scope.setEnv(instruction.rest, escapeChar);
    if (keyword === 'ADD' && instruction.hereDocuments.length === 0 && mayAddRemote(instruction, escapeChar)) {
      return takeAdd(instruction, scope);
    }
    if (trigger?.keyword === 'ARG') {
      for (const word of splitWords(trigger.rest, escapeChar)) out.push(`ONBUILD ARG ${withValue(word)}`);
      return ok(undefined);
    }
    // A trigger runs in a later stage on top of this one, if at all.
    const taken = takeOptions(trigger ?? instruction, trigger === undefined ? bases : mentioned);
    if (!taken.ok) return taken;
    out.push(written(trigger === undefined ? taken.value : { ...instruction, trigger: taken.value }, writing));
    return ok(undefined);
  };

  for (const instruction of cut.value) {
    // Lines keep their numbers, for what the engine says of them.
    while (out.length < instruction.line - 1) out.push('');
    const begin = out.length;
    const taken = take(instruction);
    if (!taken.ok) return taken;
    const lines = out.splice(begin).flatMap((text) => text.split('\n'));
    for (const text of lines) out.push(text);
    const own = instruction.hereDocuments.length === 0 ? lines : lines.slice(0, 1);
    // It would join the next one to itself. Engines overlook what may be behind it.
    if (own.some((text) => text.trimEnd().endsWith(escapeChar))) return fail(openEnd(instruction.line));
    if (opensOthers(own[0] ?? '', instruction.trigger ?? instruction)) return fail(unclearOpening(instruction));
  }
  if (scope === undefined) return fail(withoutFrom());
  const unused = Object.keys(buildArgs).filter((name) => !declared.has(name) && !predefined.test(name));
  const text = `${out.join('\n')}\n`;
  return ok({ text, bases: [...bases], mentioned: [...mentioned], platforms, added, unused, late });
}

/** Whether an engine may see other here-documents in the line as it is written. In a list of texts none of them looks for any. */
function opensOthers(text: string, { keyword, rest, hereDocuments: known }: Instruction): boolean {
  if (known.length === 0 && (keyword !== 'RUN' || isJsonForm(rest))) return false;
  return mayOpenOthers(text) || hereDocuments(text).length !== known.length;
}

/** Without the stages behind the target. */
function upToTarget(all: readonly Instruction[], target: string): Result<readonly Instruction[]> {
  if (target === '') return ok(all);
  const begins = all.flatMap(({ keyword }, at) => (keyword === 'FROM' ? [at] : []));
  const names = begins.map((at) => /\sAS\s+(\S+)\s*$/i.exec(all[at]?.rest ?? '')?.[1]?.toLowerCase());
  const byName = names.indexOf(target.toLowerCase());
  const index = byName >= 0 ? byName : /^\d{1,4}$/.test(target) ? Number(target) : -1;
  if (index < 0 || index >= begins.length) return fail(noTarget(target, names));
  return ok(all.slice(0, begins[index + 1] ?? all.length));
}

function nameAndValue(word: string): readonly [string, string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

const bad = (message: string, hint: string): Problem => problem('BUILD_FAILED', message, { hint });

const shownMax = 10;

function noTarget(target: string, names: readonly (string | undefined)[]): Problem {
  const known = names.filter((name) => name !== undefined);
  const hint =
    known.length === 0
      ? 'Its stages have no names: name one with FROM IMAGE AS NAME, or leave the target out.'
      : `Its stages are: ${known.slice(0, shownMax).join(', ')}${known.length > shownMax ? ', ...' : ''}.`;
  return bad(`The Dockerfile has no stage ${JSON.stringify(target)}.`, hint);
}

const twoStages = (stage: string, line: number) =>
  bad(
    `FROM in line ${line} of the Dockerfile begins a second stage with the name ${stage}.`,
    'Give each stage a name of its own.',
  );

const noStage = (what: string, name: string, line: number) =>
  bad(
    `${what} in line ${line} of the Dockerfile names the stage ${name.slice(0, 40)}, which does not come before this one.`,
    'Stages are counted from 0; name them with FROM IMAGE AS NAME.',
  );

const oddOrigin = (what: string, line: number) =>
  bad(
    `${what} in line ${line} of the Dockerfile does not name a stage or an image plainly.`,
    'Docker does not expand variables there. Name a stage: FROM ${IMAGE} AS source, then COPY --from=source.',
  );

const openEnd = (line: number) =>
  bad(
    `Line ${line} of the Dockerfile ends in an escape character with nothing to join it with.`,
    'Remove the character, or add what follows it.',
  );

const unclearOpening = ({ keyword, line }: Instruction) =>
  bad(
    `${keyword} with << in line ${line} of the Dockerfile begins a here-document or not: engines interpret differently what is written there.`,
    'Put it into double quotes, write a shift without spaces: $((1<<3)), or put the commands into a script in the source, COPY it and RUN it with sh.',
  );

const tooManyStages = () =>
  bad(`The Dockerfile has more than ${stagesMax} stages.`, 'Build some of it as an image of its own.');

const tooManyAdded = () =>
  bad(
    `The Dockerfile adds more than ${addedMax} files from URLs.`,
    'Fetch them in RUN steps, or ADD an archive of them.',
  );

const beforeFrom = (keyword: string, line: number) =>
  bad(`Line ${line} of the Dockerfile has ${keyword} before the first FROM.`, 'Only ARG may stand before FROM.');

const withoutFrom = () =>
  bad('The Dockerfile has no FROM.', 'Begin it with an image, for example FROM python:3.11-slim.');

const unreadableValue = (line: number) =>
  bad(
    `The value of ARG in line ${line} of the Dockerfile cannot be read.`,
    "Of Docker's substitutions, ${NAME}, ${NAME:-VALUE} and ${NAME:+VALUE} are supported.",
  );
