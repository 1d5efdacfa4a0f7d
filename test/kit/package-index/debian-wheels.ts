/**
 * Real Python libraries where PyPI cannot be reached: Debian's pure-Python packages, packed as wheels again, so that pip
 * resolves and installs them as it would from PyPI. Made at test time; nothing of them is part of the project.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suitePackages } from '../private-engine/debian-suite.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';
import { createWheel, type Wheel } from './wheel.ts';

/** python-telegram-bot 21 and all it depends on. The suite is one that stays: its Python is newer, its libraries are not picky. */
const telegramBot = {
  suite: 'trixie',
  packages: [
    'python3-python-telegram-bot',
    'python3-httpx',
    'python3-httpcore',
    'python3-h11',
    'python3-anyio',
    'python3-sniffio',
    'python3-idna',
    'python3-certifi',
    'python3-typing-extensions',
  ],
} as const;

export interface RealLibraries {
  readonly wheels: readonly Wheel[];
  /** Import folders with the same modules, for PYTHONPATH of a bot that runs without pip. */
  readonly folders: readonly string[];
}

/** Throws when this machine is no Debian or cannot reach Debian's archive. */
export async function pythonTelegramBot(): Promise<RealLibraries> {
  const { suite, packages } = telegramBot;
  const trees = await suitePackages(join(defaultCacheDir, 'debian-wheels'), suite, packages);
  const folders = [...trees.values()].map((root) => join(root, 'usr/lib/python3/dist-packages'));
  return { wheels: folders.map(wheelOf), folders };
}

/** One folder of importable modules, with one `NAME-VERSION.dist-info` or `.egg-info` beside them. */
function wheelOf(folder: string): Wheel {
  const info = readdirSync(folder).find((name) => /\.(dist|egg)-info$/.test(name));
  if (!info) throw new Error(`${folder} does not say which library it holds`);
  const facts = ['METADATA', 'PKG-INFO', ''].map((name) => join(folder, info, name)).find((path) => existsSync(path));
  const metadata = readFileSync(facts ?? '', 'utf8').split('\n\n')[0] ?? '';
  const fields = (name: string) =>
    [...metadata.matchAll(new RegExp(`^${name}: (.*)$`, 'gm'))].map(([, value = '']) => value);
  return createWheel({
    name: fields('Name')[0] ?? '',
    version: fields('Version')[0] ?? '',
    requiresPython: fields('Requires-Python')[0] ?? '>=3.8',
    requires: fields('Requires-Dist').filter((requirement) => !/\bextra\s*==/.test(requirement)),
    files: modulesIn(folder, info),
  });
}

function modulesIn(folder: string, info: string): Map<string, Buffer> {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith(info) && !path.includes('__pycache__'));
  const native = paths.find((path) => path.endsWith('.so'));
  if (native) throw new Error(`${native} is not pure Python: its wheel would need a tag of its own`);
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(folder, path))]));
}
