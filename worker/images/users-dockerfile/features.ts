/**
 * What a Dockerfile may hold, and which builder it takes. Nothing else gets to a builder: options that are not in the table are refused, and so
 * is what a builder would do wrong without a word (engine 28 drops here-documents in its classic builder). Pure.
 */
import { mayBeRemote } from './added.ts';
import { copyWords } from './copy-words.ts';
import type { Frontend } from './frontend.ts';
import type { Instruction, Option } from './instruction.ts';
import { isJsonForm } from './words.ts';

export interface Lacking {
  readonly line: number;
  /** As its users call it, for example RUN --mount. */
  readonly feature: string;
  readonly hint: string;
  /** The N of docker/dockerfile:1.N that has it; undefined for what no build may use. */
  readonly since: number | undefined;
}

interface Known {
  /** 0 for what the classic builder takes. */
  readonly since?: number;
  readonly hint?: string;
  /** Values that may be given; any unless given. */
  readonly values?: RegExp;
}

const modeHint =
  'Make the file executable in the source (chmod +x, git update-index --chmod=+x), or put RUN chmod 755 FILE after the COPY.';
const mountHint =
  'Leave the option out; packages without a cache: RUN pip install --no-cache-dir -r requirements.txt. Pass secrets as environment variables at the start.';
const excludeHint = 'List in .dockerignore what should not be copied, or copy the parts one by one.';
const flag = /^(?:true|false)?$/;

const known: Readonly<Record<string, Readonly<Record<string, Known>>>> = {
  FROM: { platform: {} },
  RUN: {
    mount: { since: 2, hint: mountHint },
    network: {
      since: 3,
      hint: 'Leave the option out: all build steps use the same network.',
      values: /^(?:none|default)$/,
    },
    security: { hint: 'Leave the option out: all build steps have the same privileges.', values: /^sandbox$/ },
    device: { hint: 'Leave the option out: builds have no devices.', values: /^(?!)/ },
  },
  COPY: {
    from: {},
    chown: {},
    link: { values: flag },
    chmod: { since: 2, hint: modeHint },
    parents: { since: 20, hint: 'Copy each folder to its own destination: COPY src/a /app/src/a.', values: flag },
    exclude: { since: 19, hint: excludeHint },
  },
  ADD: {
    chown: {},
    link: { values: flag },
    chmod: { since: 2, hint: modeHint },
    exclude: { since: 19, hint: excludeHint },
    unpack: { since: 17, hint: 'Unpack it in a step: RUN tar -xf FILE.', values: flag },
    checksum: {
      hint: 'It is only for files from a URL: ADD --checksum=sha256:SUM https://example.com/FILE /FILE.',
      values: /^(?!)/,
    },
    'keep-git-dir': { hint: "Put the repository's files into the source and copy them.", values: /^(?!)/ },
  },
  HEALTHCHECK: {
    interval: {},
    timeout: {},
    'start-period': {},
    retries: {},
    'start-interval': { since: 6, hint: 'Leave the option out; --start-period and --interval do.' },
  },
};

const hereDocumentsSince = 4;
const substitutionsSince = 7;

/**
 * Options whose only effect is on how a build is done, or that ask for what is done anyway: without them it makes the same
 * image.
 */
export function isWithoutEffect(keyword: string, { name, value }: Option): boolean {
  if (keyword === 'COPY' || keyword === 'ADD') return name === 'link';
  if (keyword !== 'RUN') return false;
  return (name === 'network' && value === 'default') || (name === 'security' && value === 'sandbox');
}

/** What of an instruction the builder has not, or no build may use. Files that an ADD fetches are no part of it. */
export function lackingIn(instruction: Instruction, escapeChar: string, { syntax }: Frontend): readonly Lacking[] {
  const { line, keyword, options, rest, trigger, hereDocuments } = instruction;
  if (trigger !== undefined) {
    const found = [...lackingIn(trigger, escapeChar, { syntax }), ...lackingInTrigger(trigger, escapeChar)];
    return found.map((each) => ({ ...each, feature: `ONBUILD ${each.feature}` }));
  }
  const found: Lacking[] = [];
  const add = (feature: string, hint: string, since?: number) => found.push({ line, feature, hint, since });
  const isFetched = keyword === 'ADD' && mayAddRemote(instruction, escapeChar);
  for (const option of options) {
    const { name, value } = option;
    if (isWithoutEffect(keyword, option) || (isFetched && ['chmod', 'checksum'].includes(name))) continue;
    const entry = known[keyword]?.[name];
    const { since = 0, hint, values } = entry ?? {};
    const instead = hint ?? `Leave the option out: ${keyword} has no --${name}.`;
    if (entry === undefined || values?.test(value ?? '') === false) {
      add(`${keyword} --${name}${entry === undefined || value === undefined ? '' : `=${value.slice(0, 40)}`}`, instead);
    } else if (since > syntax) add(`${keyword} --${name}`, instead, since);
  }
  const [document] = hereDocuments;
  if (document !== undefined && (syntax < hereDocumentsSince || hereDocuments.some(({ isPlain }) => !isPlain))) {
    const instead =
      keyword === 'RUN'
        ? 'Join the commands: RUN first && second, over several lines with \\ at their ends; or put them into a script in the source, COPY it and RUN it with sh.'
        : `Put the text into a file in the source, and ${keyword} that.`;
    const feature = `${keyword} <<${document.name} (a here-document${syntax < hereDocumentsSince ? '' : ' in a line that engines interpret differently'})`;
    add(feature, instead, syntax < hereDocumentsSince ? hereDocumentsSince : undefined);
  }
  // Written as it is, it would be the builder that fetches.
  if (document !== undefined && isFetched)
    add('ADD of a here-document and a URL', 'Write an ADD of its own for the URL.');
  const substitution =
    syntax < substitutionsSince && expands.has(keyword) && !isJsonForm(rest)
      ? newSubstitution(rest, escapeChar)
      : undefined;
  if (substitution !== undefined) {
    const instead = 'Write ${NAME}, ${NAME:-VALUE} or ${NAME:+VALUE}; change a value in a RUN step.';
    add(`\${${substitution}} in ${keyword}`, instead, substitutionsSince);
  }
  return found;
}

/** Whether it may be an ADD of something that is not of the source. */
export const mayAddRemote = (instruction: Instruction, escapeChar: string): boolean =>
  copyWords(instruction)
    .slice(0, -1)
    .some((source) => mayBeRemote(source, escapeChar));

/** A trigger runs in other builds, which have neither our files nor our checks of their lines. */
function lackingInTrigger(trigger: Instruction, escapeChar: string): readonly Lacking[] {
  const { line, keyword, hereDocuments } = trigger;
  const hint = 'Write the step into the Dockerfile that builds on this image.';
  return [
    ...(keyword === 'ADD' && mayAddRemote(trigger, escapeChar)
      ? [{ line, feature: 'ADD of a URL', hint, since: undefined }]
      : []),
    ...(hereDocuments[0] === undefined
      ? []
      : [{ line, feature: `${keyword} <<${hereDocuments[0].name} (a here-document)`, hint, since: undefined }]),
  ];
}

/** Instructions that variables are put into by the builder; the others leave it to the shell. */
const expands = new Set(['ADD', 'ARG', 'COPY', 'ENV', 'EXPOSE', 'LABEL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR']);

/** What is in the braces of a substitution that engines before 23 do not know, such as ${NAME#PREFIX}, in short. */
function newSubstitution(text: string, escapeChar: string): string | undefined {
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (quote === "'") {
      if (char === quote) quote = '';
    } else if (char === escapeChar) at += 1;
    else if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === '$' && text.charAt(at + 1) === '{') {
      substitution.lastIndex = at;
      const [, name = '', modifier = ''] = substitution.exec(text) ?? [];
      if (name !== '' && modifier !== '' && !/^(?:\}|:[-+?])$/.test(modifier)) return `${name}${modifier}...`;
    }
  }
  return undefined;
}
const substitution = /\$\{(\w{1,100})(:?.)/y;
