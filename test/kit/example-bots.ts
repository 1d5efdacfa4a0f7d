/**
 * The bots of examples/bots, read from the folder itself, so that none is forgotten. Each says in the comment it opens with
 * how it is deployed and how it runs without the platform; the tests take these commands from there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const examplesFolder = join(import.meta.dirname, '../../examples/bots');

export interface ExampleBot {
  /** Its file or folder in examples/bots. */
  readonly name: string;
  /** The arguments of `avtomatika-bot`, as a shell takes them apart: start, the bot's id and so on. */
  readonly deploy: readonly string[];
  readonly language: 'python' | 'node';
  /** The file that is run, as a path in the checkout. */
  readonly file: string;
}

/** Throws for a bot that does not say how it is deployed or run. */
export function exampleBots(): readonly ExampleBot[] {
  return readdirSync(examplesFolder, { withFileTypes: true })
    .filter(({ name }) => !/\.test\.ts$|^\.|^__pycache__$/.test(name))
    .map((entry) => readExample(entry.name, entry.isDirectory()));
}

function readExample(name: string, isFolder: boolean): ExampleBot {
  const inFolder = isFolder ? readdirSync(join(examplesFolder, name)).find((file) => /^bot\.\w+$/.test(file)) : '';
  if (inFolder === undefined) throw new Error(`examples/bots/${name} has no file named bot`);
  const text = readFileSync(join(examplesFolder, name, inFolder), 'utf8').replace(/\\\n[ *]*/g, '');
  const deploy = /^[ *]*avtomatika-bot (start .*)$/m.exec(text)?.[1];
  if (deploy === undefined) throw new Error(`examples/bots/${name} does not say how it is deployed`);
  const [, language, file = ''] = /^[ *]*BOT_TOKEN=123:ABC (python|node) (\S+)$/m.exec(text) ?? [];
  if (language !== 'python' && language !== 'node') {
    throw new Error(`examples/bots/${name} does not say how it runs without the platform`);
  }
  const words = [...deploy.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return { name, deploy: words, language, file };
}
