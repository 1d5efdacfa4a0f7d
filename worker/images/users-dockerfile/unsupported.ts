/**
 * What a Dockerfile may hold and the classic builder does not do, or does wrong without a word: here-documents are dropped by
 * engine 28, a git address is fetched as a web page, a URL is fetched past the firewall. Each is refused by name, with what to write instead. Pure.
 */
import type { Instruction, Option } from './instruction.ts';
import { isJsonForm } from './words.ts';

export interface Unsupported {
  readonly line: number;
  /** As its users call it, for example RUN --mount. */
  readonly feature: string;
  readonly hint: string;
  /** Why it is refused, if not for lack of BuildKit. */
  readonly why?: string;
}

const modeHint =
  'Make the file executable in the source (chmod +x, git update-index --chmod=+x), or put RUN chmod 755 FILE after the COPY.';
const cacheHint =
  'Leave the option out; packages without a cache: RUN pip install --no-cache-dir -r requirements.txt. Pass secrets as environment variables at the start.';
const excludeHint = 'List in .dockerignore what should not be copied, or copy the parts one by one.';

/** Options that need BuildKit, by instruction, with what to write instead. */
const needsBuildKit: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RUN: {
    mount: cacheHint,
    network: 'Leave the option out: all build steps use the same network.',
    security: 'Leave the option out: all build steps have the same privileges.',
    device: 'Leave the option out: builds have no devices.',
  },
  COPY: {
    chmod: modeHint,
    parents: 'Copy each folder to its own destination: COPY src/a /app/src/a.',
    exclude: excludeHint,
  },
  ADD: {
    chmod: modeHint,
    checksum: 'Fetch and check it in a step: RUN wget -O FILE URL && echo "SHA256  FILE" | sha256sum -c.',
    'keep-git-dir': "Put the repository's files into the source and copy them.",
    unpack: 'Unpack it in a step: RUN tar -xf FILE.',
    exclude: excludeHint,
  },
  HEALTHCHECK: { 'start-interval': 'Leave the option out; --start-period and --interval do.' },
};

/** Options that the classic builder takes. */
const taken: Readonly<Record<string, readonly string[]>> = {
  FROM: ['platform'],
  COPY: ['from', 'chown'],
  ADD: ['chown'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'retries'],
};

/**
 * Options whose only effect is on how a build is done, or that ask for what is done anyway: without them it makes the same
 * image.
 */
export function isWithoutEffect(keyword: string, { name, value }: Option): boolean {
  if (keyword === 'COPY' || keyword === 'ADD') return name === 'link';
  if (keyword !== 'RUN') return false;
  return (name === 'network' && value === 'default') || (name === 'security' && value === 'sandbox');
}

export function unsupportedIn(instruction: Instruction, escapeChar: string): readonly Unsupported[] {
  const { line, keyword, options, rest, trigger, hereDocuments } = instruction;
  if (trigger !== undefined) {
    return unsupportedIn(trigger, escapeChar).map((found) => ({ ...found, feature: `ONBUILD ${found.feature}` }));
  }
  const found: Unsupported[] = [];
  const add = (feature: string, hint: string) => found.push({ line, feature, hint });
  for (const option of options) {
    const { name } = option;
    if (isWithoutEffect(keyword, option) || taken[keyword]?.includes(name)) continue;
    add(`${keyword} --${name}`, needsBuildKit[keyword]?.[name] ?? `Leave the option out: ${keyword} has no --${name}.`);
  }
  if (hereDocuments.length > 0) {
    const instead =
      keyword === 'RUN'
        ? 'Join the commands: RUN first && second, over several lines with \\ at their ends; or put them into a script in the source, COPY it and RUN it with sh.'
        : `Put the text into a file in the source, and ${keyword} that.`;
    add(`${keyword} <<${hereDocuments[0]} (a here-document)`, instead);
  }
  if (keyword === 'ADD' && sourcesOf(instruction).some(isGitAddress)) {
    add('ADD of a git repository', "Put the repository's files into the source and COPY them.");
  } else if (keyword === 'ADD' && sourcesOf(instruction).some(mayBeUrl)) {
    found.push({
      line,
      feature: 'ADD of a URL',
      hint: 'Fetch it in a step: RUN wget -O FILE URL. COPY takes a file of the source whose name begins with a variable.',
      why: 'the engine would fetch it by itself, past the firewall around builds',
    });
  }
  const substitution = expands.has(keyword) && !isJsonForm(rest) ? newSubstitution(rest, escapeChar) : undefined;
  if (substitution !== undefined) {
    add(
      `\${${substitution}} in ${keyword}`,
      'Write ${NAME}, ${NAME:-VALUE} or ${NAME:+VALUE}; change a value in a RUN step.',
    );
  }
  return found;
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

/** Of a COPY or ADD. The builder takes it apart at every space, also at a quoted or an escaped one. */
function sourcesOf({ rest }: Instruction): readonly string[] {
  // What is JSON is a list of texts.
  const words = isJsonForm(rest) ? (JSON.parse(rest) as readonly string[]) : rest.trim().split(/[ \t\v\f\r]+/);
  return words.slice(0, -1).map((word) => word.replaceAll(/["']/g, ''));
}

/** Whether it is an ADD that the engine may take for one of a URL or a git repository. */
export const addsFromElsewhere = (instruction: Instruction): boolean =>
  instruction.keyword === 'ADD' && sourcesOf(instruction).some((source) => isGitAddress(source) || mayBeUrl(source));

const schemes = ['http://', 'https://'] as const;

/**
 * Whether the builder may take it for a URL. The engine would fetch it by itself, from its own network, where the firewall
 * around builds does not reach. A variable may hold any part of "http://".
 */
function mayBeUrl(source: string): boolean {
  const [literal = ''] = source.replaceAll(/[\\`]/g, '').toLowerCase().split('$');
  if (/^https?:\/\//.test(literal)) return true;
  return source.includes('$') && schemes.some((scheme) => scheme.startsWith(literal));
}

/** As BuildKit recognises them: https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository. */
const isGitAddress = (source: string): boolean =>
  /^(?:git:\/\/|ssh:\/\/|git@)/.test(source) || /^https?:\/\/[^?#]+\.git(?:[?#].*)?$/.test(source);
