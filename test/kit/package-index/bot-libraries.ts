/**
 * The Python libraries that bots of the tests install: the real ones where this machine's pip reaches an index, else
 * stand-ins, with one line that says so.
 */
import { existsSync, realpathSync } from 'node:fs';
import { pythonTelegramBot as fromDebian } from './debian-wheels.ts';
import { type PipPackages, pipPackages } from './pip-packages.ts';
import { createStandInWheels, standInFolders } from './stand-in-wheels.ts';
import type { Wheel } from './wheel.ts';

export interface BotLibrary {
  readonly wheels: readonly Wheel[];
  /** Import folders with the same modules, for PYTHONPATH of a bot that runs without pip. */
  readonly folders: readonly string[];
}

/** The newest, and one for a bot that asks for `<3.4`: pip has something to choose from. */
const aiogramReleases = [['aiogram>=3.0'], ['aiogram>=3.0,<3.4']] as const;

/** aiogram 3, the newest one first in `folders`. Never fails: where pip gets nothing, it is our stand-in. */
export async function aiogram(): Promise<BotLibrary> {
  try {
    const releases: PipPackages[] = [];
    for (const requirements of aiogramReleases) releases.push(await pipPackages(requirements, basePython()));
    const wheels = new Map(releases.flatMap((release) => release.wheels.map((wheel) => [wheel.fileName, wheel])));
    return { wheels: [...wheels.values()], folders: releases.slice(0, 1).map(({ folder }) => folder) };
  } catch (error) {
    console.warn(`aiogram is a stand-in in this run: ${error instanceof Error ? error.message : error}`);
    return { wheels: createStandInWheels(), folders: standInFolders };
  }
}

/** python-telegram-bot 21, by pip or of Debian's packages. Throws when neither can be had. */
export async function pythonTelegramBot(): Promise<BotLibrary> {
  try {
    return await library('python-telegram-bot>=21,<22');
  } catch (error) {
    console.warn(`python-telegram-bot is Debian's in this run: ${error instanceof Error ? error.message : error}`);
    return fromDebian();
  }
}

/** pyTelegramBotAPI 4, whose module is telebot. Throws when pip cannot get it. */
export const pyTelegramBotApi = (): Promise<BotLibrary> => library('pyTelegramBotAPI>=4,<5');

/** The client of Redis, of PostgreSQL (pg8000) or of S3 (boto3). Throws when pip cannot get it. */
export const serviceClient = (name: 'redis' | 'pg8000' | 'boto3'): Promise<BotLibrary> => library(name, ...more[name]);
/** What the base image's Python needs too, and a newer Python that pip may run on does not. */
const more = { redis: ['async-timeout'], pg8000: [], boto3: [] } as const;

async function library(...requirements: readonly string[]): Promise<BotLibrary> {
  const { wheels, folder } = await pipPackages(requirements, basePython());
  return { wheels, folders: [folder] };
}

/** "3.11" of the Python that base-images.ts puts into the base image; where Debian has to bring one, it is Debian 12's. */
function basePython(): string {
  const system = '/usr/bin/python3';
  const version = existsSync(system) ? /python(3\.\d+)$/.exec(realpathSync(system))?.[1] : undefined;
  return version ?? '3.11';
}
