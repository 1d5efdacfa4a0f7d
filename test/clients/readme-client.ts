/** Runs a client of examples/clients as its README says, with Debian's packages, against the real programs. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { startTestPlatform } from '../kit/platform-for-tests.ts';
import { debianPackages, type PackageTree } from '../kit/private-engine/debian-packages.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';
import { fencedBlocks } from '../readme/fenced-blocks.ts';
import { shellCommands } from '../readme/shell-commands.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '../..');
const exampleBot = 'examples/bots/echo_bot_stdlib.py';
const commands = fencedBlocks(readFileSync(join(checkout, 'examples/clients/README.md'), 'utf8'))
  .filter(({ language }) => language === 'sh')
  .flatMap(shellCommands)
  .map(({ text }) => text);

/** The only command of the page that matches; throws when there is none or more. */
function pageCommand(pattern: RegExp): string {
  const [command, ...more] = commands.filter((text) => pattern.test(text));
  if (command === undefined || more.length > 0) throw new Error(`not one command matches ${pattern}`);
  return command;
}

/** The packages that the page installs for a language, and those for the stubs. Rejects where they cannot be had. */
export function clientPackages(language: string): Promise<PackageTree> {
  const names = [/protobuf-compiler/, new RegExp(`apt install .*\\b${language}`)].flatMap((pattern) =>
    pageCommand(pattern).replace('apt install ', '').split(' '),
  );
  return debianPackages(join(defaultCacheDir, `grpc-${language}`), names);
}

export interface ReadmeClient {
  /** The name of its folder in examples/clients. */
  readonly language: string;
  readonly tree: PackageTree;
  /** Settings under which the language finds the packages of `tree`, and the stubs given. */
  readonly env: (stubs: string) => Readonly<Record<string, string>>;
}

/** Makes the stubs, lets the client deploy a bot that prints "line 1", "line 2" and so on; returns what the client printed. */
export async function runReadmeClient({ language, tree, env }: ReadmeClient): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), `${language}-client-`));
  const shell = async (command: string, more: Readonly<Record<string, string>>) => {
    const { stdout } = await run('sh', ['-c', command], {
      cwd: checkout,
      timeout: 120_000,
      env: {
        ...process.env,
        // Debian's programs first: a version manager's python3 would not take Debian's packages.
        PATH: [tree.programPath(), process.env['PATH']].join(delimiter),
        LD_LIBRARY_PATH: (await tree.libraryFolders()).join(delimiter),
        ...more,
      },
    });
    return stdout;
  };
  try {
    // Elsewhere than the page says: a developer's own stubs stay as they are, and clients are tested side by side.
    await shell(`${pageCommand(/buf generate/)} -o ${dir}`, {});
    const bot = join(dir, 'bot.py');
    writeFileSync(bot, 'import time\nfor n in range(1, 1000):\n  print("line", n, flush=True)\n  time.sleep(0.2)\n');
    await using platform = await startTestPlatform({ RUNTIME: 'process' });
    return await shell(pageCommand(new RegExp(`clients/${language}/`)).replace(exampleBot, bot), {
      AVTOMATIKA_ADDRESS: `127.0.0.1:${platform.port}`,
      ...env(join(dir, 'examples/clients', language, 'stubs')),
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
