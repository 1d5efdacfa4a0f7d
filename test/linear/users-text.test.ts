/** Every text that a user, a user's program or a stranger's server chooses, at its limit, in the shapes that made matching slow. */
import { describe, it } from 'vitest';
import { canonicalJson } from '#common/canonical-json.ts';
import { checkUrl } from '#common/fetch-policy.ts';
import { checkGitRef, parseGitUrl } from '#common/git-url.ts';
import { matchesGlob, parseGlob } from '#common/ignore/glob.ts';
import { parseImageReference } from '#common/image-reference.ts';
import { parseStrictJson } from '#common/json-text.ts';
import { checkLabels } from '#common/labels.ts';
import { asList } from '#common/requirements/as-list.ts';
import { mentionOf, readPipFile } from '#common/requirements/pip-text.ts';
import { isBuiltByPip, usualFiles } from '#common/requirements/usual-files.ts';
import { checkEntrypoint, checkFileSet } from '#common/safe-path.ts';
import { listSafeTar } from '#common/safe-tar.ts';
import { checkCommand } from '#common/start/check-command.ts';
import { chooseStart } from '#common/start/choose-start.ts';
import { CliError } from '../../cli/failures/errors.ts';
import { parseEnvFile } from '../../cli/options/env-file.ts';
import { parseLogTime } from '../../cli/options/log-time.ts';
import { plainOutput } from '../../cli/render/escape.ts';
import type { ImageChoice } from '../../cli/source/choice.ts';
import { prepareGit } from '../../cli/source/git.ts';
import { prepareReadyImage } from '../../cli/source/image.ts';
import { parseEnv } from '../../orchestrator/core/validate/env.ts';
import { parseRegistryAuth } from '../../orchestrator/core/validate/login.ts';
import { parseRequirements } from '../../orchestrator/core/validate/requirements.ts';
import { readOutput, recallDiagnosis } from '../../worker/diagnosis/diagnosis.ts';
import { gitFailure } from '../../worker/fetch/git-failure.ts';
import { buildFailure, createOutputTail } from '../../worker/images/build-failure.ts';
import { platformOf } from '../../worker/images/users-dockerfile/platform.ts';
import { prepareDockerfile } from '../../worker/images/users-dockerfile/prepare.ts';
import { createMasker, secretValues } from '../../worker/logs/masking.ts';
import { createBuildReport } from '../../worker/runtime/docker/build-answer.ts';
import { refusalMessage } from '../../worker/runtime/docker/refusal-message.ts';
import { createLineSplitter } from '../../worker/runtime/output-lines.ts';
import { redact } from '../../worker/runtime/redact.ts';
import { extra, header, inPieces, raw, record } from '../kit/raw-tar.ts';
import { expectLinear } from './growth.ts';

/** A text of `length` made of copies of `part`, with an end that keeps a pattern from matching. */
const filled = (part: string, length: number, end = ''): string =>
  part.repeat(Math.ceil(length / part.length)).slice(0, length - end.length) + end;

const parts = [
  'a',
  ' ',
  '.',
  '/',
  '-',
  '_',
  ':',
  '@',
  '$',
  '\\',
  '"',
  "'",
  '\n',
  '\r\n',
  '\t',
  'a.',
  'a-',
  'a/',
  '@a',
  '://',
  'a://a@',
  'a://b:',
  '$a',
  '${a}',
  '%',
  '\ud83d\ude00',
  '0',
  '0:',
  '[',
  '{"',
  '..',
  'a ',
  '--a ',
];
const ends = ['', '!', '\n!'];
const imageChoice = (image: string): ImageChoice => ({
  kind: 'image',
  image,
  registryUser: undefined,
  registryPass: undefined,
  pull: false,
});
const shapes = parts.flatMap((part) => ends.map((end) => [part, end] as const));

const noStart = { paths: [], runtime: undefined, usualNames: [], procfile: undefined, packageJson: undefined };
const noFiles = { paths: [], folder: '', language: 'python', pyproject: undefined } as const;

describe('environment variables', () => {
  const valueBytes = 31_000;
  const env = (part: string, end: string, length: number, count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`API_KEY_${index}`, filled(part, length, end) + index]),
    );
  const takenAndMasked = (part: string, end: string, length: number, count: number) => () => {
    const values = env(part, end, length, count);
    parseEnv(Object.entries(values));
    const mask = createMasker(secretValues(values));
    mask(filled(part, 2 * length));
    mask(values['API_KEY_0'] ?? '');
  };

  it('of any shape are taken, and masked in what the bot prints', async () => {
    for (const [part, end] of shapes) {
      await expectLinear(valueBytes, (length) => takenAndMasked(part, end, length, 1));
    }
  });

  it('are so too when there are as many of them as may be', async () => {
    for (const part of ['a', 'a://b@']) {
      await expectLinear(valueBytes, (length) => takenAndMasked(part, '', length, 8));
    }
  });

  it('of many lines each are masked in lines as long as lines may be', async () => {
    await expectLinear(valueBytes, (length) => {
      const lines = (at: number) => Array.from({ length: length / 12 }, (_, line) => `secret-${at}-${line}`).join('\n');
      const mask = createMasker(secretValues(Object.fromEntries([0, 1, 2, 3].map((at) => [`KEY_${at}`, lines(at)]))));
      const printed = lines(1).replaceAll('\n', ' ');
      return () => mask(printed, { before: printed, after: printed });
    });
  });

  it('that share a long beginning are taken out of what an engine says', async () => {
    await expectLinear(valueBytes, (length) => {
      const values = Object.values(env('a', '', length, 8));
      return () => redact(`invalid variable ${filled('a', 4 * length)}`, values);
    });
  });
});

describe('output', () => {
  it('written byte by byte without a line end is taken as it comes', async () => {
    await expectLinear(1024 * 1024, (length) => () => {
      const splitter = createLineSplitter(() => undefined, 4 * 1024 * 1024);
      const byte = Buffer.from('x');
      for (let at = 0; at < length; at += 1) splitter.push(byte);
      splitter.end();
    });
  });

  it('of a build, one byte in each message, is read as it comes', async () => {
    await expectLinear(300_000, (length) => () => {
      const report = createBuildReport(() => undefined);
      const message = Buffer.from('{"stream":"x"}\n');
      for (let at = 0; at < length; at += 1) report.push(message);
      report.end();
    });
  });

  it.each([
    'telegram.',
    'TelegramNetworkError: ',
    'ECONNREFUSED ',
    'api.telegram.org ',
    'File "',
    'telegram.error.InvalidToken: The token ',
    "Cannot find module '",
    'environ',
    'PermissionError: [Errno 13] ',
    '"/a',
    'tryings = ',
  ])('full of %j is read for what it says is wrong', async (part) => {
    await expectLinear(64 * 1024, (length) => {
      const before = filled(part, length);
      const ends = ["KeyError: 'A'", 'SyntaxError: x', `Error ${filled(part, 2000)}`];
      return () => readOutput(recallDiagnosis(undefined, 0), Array.from({ length: 12 }, () => before).concat(ends), 0);
    });
  });

  it.each(["repository '", "transport '", "error: command '", 'network ', "The command '", '" '])(
    'of git, a build or an engine full of %j is recognised',
    async (part) => {
      await expectLinear(256 * 1024, (length) => {
        const text = filled(part, length);
        return () => {
          gitFailure(text, false);
          refusalMessage('create', { status: 400, text } as Parameters<typeof refusalMessage>[1]);
          const tail = createOutputTail();
          tail.add(text);
          buildFailure(tail.lines(), 'no');
        };
      });
    },
  );
});

describe('a Dockerfile', () => {
  const preparation = {
    platform: platformOf('linux', 'amd64', 'x86_64'),
    frontend: { syntax: 20 },
    buildArgs: {},
    target: '',
    cacheScope: 'scope',
    addedImage: 'added:1',
  };
  it.each([
    ['one long name of variables', (size: number) => `FROM ${filled('$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', size, '!')}`],
    ['many variables', (size: number) => filled('ARG A=b\nFROM ${A}\n', size)],
    ['options', (size: number) => `FROM ${filled('--a ', size)}`],
    ['spaces', (size: number) => `ARG ${filled(' ', size, '\u2028')}`],
    ['continued lines', (size: number) => filled('RUN a \\\n', size)],
    ['backslashes', (size: number) => filled('\\ ', size)],
    ['spaces before a word', (size: number) => `RUN ${filled(' ', size, 'x')}`],
    ['here-documents', (size: number) => `${filled('RUN <<A\nA\n', size)}RUN ${filled('<<B ', size)}`],
    ['substitutions', (size: number) => `FROM ${filled('${A:-$B}', size)}\nENV A=${filled('${A:+b}', size)}`],
    ['nested substitutions', (size: number) => `FROM ${filled('${A:-', size)}`],
    ['quotes', (size: number) => `ARG A=${filled('"', size)}\nFROM ${filled("'", size)}`],
    ['values that double', (size: number) => `${filled('ARG A=${A}b${A}\n', size)}FROM $A`],
    ['copies', (size: number) => filled('COPY --from=a --from=', size)],
    ['variables', (size: number) => `FROM a\n${filled('ENV A=b\nARG C=$A\nADD a$A /\n', size)}`],
    ['mounts', (size: number) => `FROM a\nRUN --mount=${filled('id=a,', size)} true`],
    ['JSON lists', (size: number) => `FROM a\nADD ["${filled('],', size)}"] x`],
    ['stages', (size: number) => Array.from({ length: size / 16 }, (_, at) => `FROM a AS s${at}\n`).join('')],
  ])('of %s is checked', async (_what, text) => {
    await expectLinear(512 * 1024, (size) => {
      const dockerfile = text(size);
      return () => prepareDockerfile(dockerfile, preparation);
    });
  });
});

describe('fields of a request', () => {
  const fields: readonly (readonly [string, number, (text: string) => unknown])[] = [
    ['docker_image', 16 * 1024, (text) => parseImageReference(text)],
    ['git_repo', 16 * 1024, (text) => parseGitUrl(text, [])],
    ['git_repo with a host', 16 * 1024, (text) => parseGitUrl(`https://${text}/x`, [])],
    ['git_branch', 16 * 1024, (text) => checkGitRef(text)],
    ['archive_url', 16 * 1024, (text) => checkUrl(`https://a/${text}`, [])],
    ['entrypoint', 16 * 1024, (text) => checkEntrypoint(text)],
    [
      'serveraddress',
      1024 * 1024,
      (text) => parseRegistryAuth({ username: 'a', password: 'b', serveraddress: text }, 'c'),
    ],
    ['requirements of Python', 256, (text) => parseRequirements([`a${text}`], 'python')],
    ['requirements of Python, long', 128 * 1024, (text) => parseRequirements([text], 'python')],
    ['requirements of Node', 128 * 1024, (text) => parseRequirements([text], 'node')],
    ['a line of a requirements file', 128 * 1024, (text) => mentionOf(text)],
    ['a command', 4 * 1024, (text) => [checkCommand(text), checkCommand([text])]],
    ['a Procfile', 64 * 1024, (text) => chooseStart({ ...noStart, procfile: `worker: ${text}` })],
    [
      'scripts.start',
      64 * 1024,
      (text) => chooseStart({ ...noStart, packageJson: JSON.stringify({ scripts: { start: text } }) }),
    ],
    ['a pyproject.toml', 128 * 1024, (text) => [usualFiles({ ...noFiles, pyproject: text }), isBuiltByPip(text, true)]],
    ['labels', 64 * 1024, (text) => checkLabels([[text, text]], 8)],
    ['the body', 256 * 1024, (text) => parseStrictJson(`{"a":"${text}`)],
  ];
  it.each(fields)('%s of any shape is read', async (_field, size, read) => {
    for (const [part, end] of shapes) {
      await expectLinear(size, (length) => {
        const text = filled(part, length, end);
        return () => read(text);
      });
    }
  });

  it('files by the thousand are checked together', async () => {
    for (const folder of ['', 'a/'.repeat(31)]) {
      await expectLinear(10_000, (count) => {
        const names = Array.from({ length: count }, (_, at) => `${folder}file-${at}.py`);
        return () => {
          checkFileSet(names);
          checkEntrypoint(names.at(-1), names);
        };
      });
    }
  });

  it('keys by the thousand are read and put in order', async () => {
    await expectLinear(40_000, (count) => {
      const value = Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${(at * 7919) % count}`, [at]]));
      const text = JSON.stringify(value);
      return () => canonicalJson(parseStrictJson(text));
    });
  });
});

describe('an archive', () => {
  it.each([
    ['of many files', (count: number) => Array.from({ length: count }, (_, at) => header(`f${at}`, '0'))],
    [
      'of many deep folders',
      (count: number) => Array.from({ length: count }, (_, at) => header(`${'a/'.repeat(30)}${at}`, '5')),
    ],
    [
      'with an extra header of many records',
      (count: number) => [extra('x', record('a', 'b').repeat(count * 4)), header('f', '0')],
    ],
    [
      'with many extra headers',
      (count: number) => [...Array.from({ length: count }, () => extra('x', record('path', 'f'))), header('f', '0')],
    ],
  ])('%s is read', async (_what, blocks) => {
    await expectLinear(8000, (count) => {
      const tar = raw(...blocks(count));
      // What is refused is read as far as that.
      return () => listSafeTar(inPieces(tar, 64 * 1024)).catch(() => undefined);
    });
  });
});

describe('a file that the command line reads', () => {
  it.each([...parts, '#', ' #', '\u2028#', 'A= ', 'A=# '])('of many %j is read', async (part) => {
    for (const end of [...ends, '\u2028']) {
      await expectLinear(200_000, (length) => {
        const text = `A=a${filled(part, length, end)}`;
        return () => [parseEnvFile(text, 'a.env'), readPipFile(text), asList('r.txt', text)];
      });
    }
  });

  it('is matched with the patterns of a .dockerignore in time that grows with their product at most', async () => {
    await expectLinear(1_000, (length) => {
      const glob = parseGlob('**/*a'.repeat(8));
      const path = filled('a/', length, 'b');
      return () => glob && matchesGlob(glob, path);
    });
  });

  it('and every line of a build that it shows, is made plain', async () => {
    for (const part of [...parts, '\r', '\u001b[', '\u001b]', '\u001b[1;']) {
      for (const end of ends) await expectLinear(200_000, (length) => () => plainOutput(filled(part, length, end)));
    }
  });

  it.each<[string, (text: string) => unknown]>([
    ['--git', (text) => prepareGit({ kind: 'git', url: text, branch: undefined, subdir: undefined, byUrl: false })],
    [
      '--subdir',
      (text) => prepareGit({ kind: 'git', url: 'https://a.b/c', branch: undefined, subdir: text, byUrl: false }),
    ],
    ['--image', (text) => prepareReadyImage(imageChoice(text), { readStdin: async () => '' })],
    ['--since', (text) => parseLogTime('--since', text, 0)],
  ])('words such as that of %s are read', async (_option, read) => {
    for (const [part, end] of shapes) {
      await expectLinear(64 * 1024, (length) => {
        const text = filled(part, length, end);
        return async () => {
          try {
            await read(text);
          } catch (error) {
            if (!(error instanceof CliError)) throw error;
          }
        };
      });
    }
  });
});
