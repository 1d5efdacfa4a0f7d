/**
 * RUN --mount=...: read, checked and written again. A cache gets a name that only builds of the same user have: in one builder all
 * caches of a name are one. https://docs.docker.com/reference/dockerfile/#run---mount. Pure.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';

const aliases: Readonly<Record<string, string>> = {
  dst: 'target',
  destination: 'target',
  src: 'source',
  ro: 'readonly',
  rw: 'readwrite',
};

type MountType = 'bind' | 'cache' | 'tmpfs';

const isText = (value: string) => value !== '';
const isNumber = (value: string) => /^\d{1,9}$/.test(value);
const isFlag = (value: string) => /^(?:true|false|1|0)?$/i.test(value);
const common = { target: isText, readonly: isFlag, readwrite: isFlag };
const keysOf: Readonly<Record<MountType, Readonly<Record<string, (value: string) => boolean>>>> = {
  bind: { ...common, from: isText, source: isText },
  cache: {
    ...common,
    from: isText,
    source: isText,
    id: isText,
    sharing: (value) => /^(?:shared|private|locked)$/.test(value),
    mode: isNumber,
    uid: isNumber,
    gid: isNumber,
  },
  tmpfs: { target: isText, size: (value) => /^\d{1,15}[kmgtb]?b?$/i.test(value) },
};

const isType = (type: string): type is MountType => Object.hasOwn(keysOf, type);

/** As the builder gets it. `scope` begins the names of caches, `originOf` says how an image or a stage is written. */
export function readMount(
  value: string,
  line: number,
  scope: string,
  originOf: (name: string) => Result<string>,
): Result<string> {
  const fields = new Map<string, string | undefined>();
  for (const part of value.split(',')) {
    const equals = part.indexOf('=');
    const written = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    const key = aliases[written] ?? written;
    if (fields.has(key)) return fail(unreadable(line, `gives "${written}" twice`));
    fields.set(key, equals < 0 ? undefined : part.slice(equals + 1));
  }
  const type = fields.get('type') ?? 'bind';
  fields.delete('type');
  if (type === 'secret') return fail(noSecret(line));
  if (type === 'ssh') return fail(noSsh(line));
  if (!isType(type)) return fail(unreadable(line, 'has no type of bind, cache or tmpfs'));
  const keys = keysOf[type];
  for (const [key, text] of fields) {
    const isRight = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (isRight === undefined || !isRight(text ?? ''))
      return fail(unreadable(line, `has a "${shownKey(key)}" that cannot be used`));
  }
  const target = fields.get('target');
  if (target === undefined) return fail(unreadable(line, 'has no target'));
  if (type === 'cache') fields.set('id', `${scope}-${fields.get('id') ?? target}`);
  const from = fields.get('from');
  const origin = from === undefined ? undefined : originOf(from);
  if (origin?.ok === false) return origin;
  if (origin !== undefined) fields.set('from', origin.value);
  const parts = [...fields].map(([key, text]) => (text === undefined ? key : `${key}=${text}`));
  return ok([`type=${type}`, ...parts].join(','));
}

const shownKey = (key: string): string => (/^[a-z]{1,20}$/.test(key) ? key : '?');

const unreadable = (line: number, what: string): Problem =>
  problem('BUILD_FAILED', `RUN --mount in line ${line} of the Dockerfile ${what}.`, {
    hint: 'Write for example RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt',
  });

const noSecret = (line: number): Problem =>
  problem('BUILD_FAILED', `RUN --mount=type=secret in line ${line} of the Dockerfile: builds have no secrets.`, {
    hint: 'Leave the mount out. What the bot itself needs it gets as an environment variable at the start (-e NAME=VALUE).',
  });

const noSsh = (line: number): Problem =>
  problem('BUILD_FAILED', `RUN --mount=type=ssh in line ${line} of the Dockerfile: builds have no SSH keys.`, {
    hint: 'Leave the mount out, and put what would be fetched over SSH into the source.',
  });
