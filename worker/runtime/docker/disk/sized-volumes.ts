/**
 * Volumes that cannot grow beyond their size: each is a file system (ext4) in a file of its own, which the kernel shows as a device
 * (loop), and which the engine mounts. The files are in a volume of the engine. The worker has no right to attach devices: short-lived
 * containers do it.
 *
 * 1. A volume that holds something is never without it: what is made of a plain volume takes its place only when it is complete.
 * 2. Devices are gone after a restart of the machine: all are attached again before the first container is started after the
 *    engine was away, or when a start shows that one is missing.
 * 3. An empty file is made for a new volume only: one that had a file, which is gone, is refused. A file whose volume is gone, because
 *    somebody removed it, stays, and is the volume's again when the bot is started.
 * 4. A file that cannot be attached is its bot's own matter: all others are. Whether new ones can be made is tried with each look at all
 *    of them, and again after one could not be made.
 */
import { ProblemError, problem } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { asFailure } from '../../../failures/chances.ts';
import { record, texts } from '../answers.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { isSizedVolume, limitedLabel, sizedOptions, storeVolume } from './sized-names.ts';
import { findVolume, type RunAnswer, runMs, type SizedDeps, SizedError, SizedRuns, storeOf } from './sized-runs.ts';
import { bytesPerFile } from './sized-script.ts';
import { createStoreKeeper } from './store-keeper.ts';

export interface WantedVolume {
  readonly name: string;
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface SizedVolumes {
  /**
   * Makes volumes for a container that does not exist yet, or makes them larger; those that are there stay otherwise, but plain ones
   * with less in them than the size become sized. CONTAINER_ERROR when that is impossible.
   */
  ensure(volumes: readonly WantedVolume[], signal: AbortSignal): Promise<void>;
  /** Call it before a container is started or looked into. Attaches all devices, if that was not seen to be so since `forget`. */
  attached(signal: AbortSignal): Promise<void>;
  /** The same, and tries whether a volume can be made, if that was not seen to work, or did not work last time. */
  tried(signal: AbortSignal): Promise<void>;
  /** A device of these volumes is missing: looks at all again. CONTAINER_ERROR when the file of one of them is gone, or cannot be attached. */
  attachedFor(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** The engine was away. */
  forget(): void;
  /**
   * After the volumes of a bot are gone. `own` is the name that those of the bot begin with: copies that have not taken the place of
   * their volumes go as well.
   */
  remove(names: readonly string[], own: string, signal: AbortSignal): Promise<void>;
  /** Why it does not work, in words that follow "because "; undefined while nothing is known against it. */
  obstacle(): string | undefined;
  /** Whether it has worked since `forget`. */
  works(): boolean;
}

/** In the log. */
const namedMax = 20;

export function createSizedVolumes(deps: SizedDeps): SizedVolumes {
  const { engine, logger } = deps;
  const keeper = createStoreKeeper(engine, logger);
  const runs = new SizedRuns(deps, keeper, (args) => {
    if (args[0] === 'make') mustTry = true;
  });
  let all: Promise<void> | undefined;
  let seen = false;
  /** Why not all could be looked at, or none could be made for a trial. */
  let lacking: string | undefined;
  let mustTry = true;
  /** All have been attached since the engine was away. */
  let hasWorked = false;
  /** Sizes of the files that are attached, as last seen. */
  const sizes = new Map<string, number>();
  /** Why the others are not. */
  const unattached = new Map<string, string>();
  /** Copies of plain volumes that are being made, or that nobody has taken yet: the create that asked for one may have given up. */
  const copies = new Map<string, { readonly bytes: number; readonly answer: Promise<RunAnswer> }>();

  // Given up by the caller only: a half-made file system would have to be made again.
  const ask = (args: readonly string[], signal: AbortSignal): Promise<RunAnswer> => {
    signal.throwIfAborted();
    return orAbort(signal, runs.ask(args));
  };
  /** A copy that takes longer than a create may is taken by a later one, instead of being begun again by each. */
  const copied = async (
    name: string,
    args: readonly string[],
    bytes: number,
    signal: AbortSignal,
  ): Promise<RunAnswer> => {
    signal.throwIfAborted();
    let copy = copies.get(name);
    if (copy?.bytes !== bytes) {
      copy = { bytes, answer: runs.ask(args, name) };
      copies.set(name, copy);
    }
    const taken = () => {
      if (copies.get(name) === copy) copies.delete(name);
    };
    const { answer } = copy;
    answer.catch(taken);
    const said = await orAbort(signal, answer);
    taken();
    return said;
  };
  const attachAll = async (signal: AbortSignal) => {
    mustTry = false;
    const { words, notes } = await ask(['all'], signal);
    sizes.clear();
    unattached.clear();
    for (const word of words.split(' ')) {
      const [name = '', bytes] = word.split('=');
      if (bytes !== undefined) sizes.set(name, Number(bytes));
    }
    const before = lacking;
    lacking = undefined;
    for (const note of notes) {
      const [, name = '', reason = ''] = /^without (\S+) (.*)$/.exec(note) ?? [];
      if (name !== '') unattached.set(name, reason);
      else lacking = `a file system could not be made for a trial (${note.slice('trial '.length)})`;
    }
    if (lacking !== undefined && lacking !== before)
      logger.warn({ reason: lacking }, 'no volume could be made for a bot');
    if (unattached.size > 0) {
      logger.warn({ volumes: [...unattached].slice(0, namedMax) }, 'files of volumes of bots cannot be attached');
    }
    seen = true;
    hasWorked = true;
  };
  const lookAtAll = async (signal: AbortSignal): Promise<void> => {
    all ??= attachAll(AbortSignal.timeout(runMs))
      .catch((error: unknown) => {
        // One that comes late, because others take their time, says nothing.
        if (error instanceof SizedError) lacking = error.message;
        mustTry = true;
        throw error;
      })
      .finally(() => {
        all = undefined;
      });
    await orAbort(signal, all);
  };
  const attached = async (signal: AbortSignal): Promise<void> => {
    if (!seen) await lookAtAll(signal);
  };
  /** A file under the name that a volume has would hide that the bot has lost what it kept. */
  const assertThere = (names: readonly string[]): void => {
    const useless = names.find((name) => unattached.has(name));
    if (useless !== undefined) {
      const file = `the file ${useless}.img in the volume ${storeVolume} of the worker's container engine`;
      const message = `What the bot kept cannot be reached: ${file} cannot be attached (${unattached.get(useless)?.slice(0, 200)}).`;
      const hint =
        'The operator repairs the file, or puts it back from a backup. To begin with an empty /data instead, delete the bot with "purge": true, and start it.';
      throw new ProblemError(problem('CONTAINER_ERROR', message, { hint }));
    }
    const gone = names.find((name) => !sizes.has(name));
    if (gone === undefined) return;
    logger.error({ volume: gone }, `the file of a bot's volume is not in the volume ${storeVolume}`);
    const message = `What the bot kept is gone: the file ${gone}.img is not in the volume ${storeVolume} of the worker's container engine.`;
    const hint =
      'The operator puts the file back from a backup. To begin with an empty /data instead, delete the bot with "purge": true, and start it.';
    throw new ProblemError(problem('CONTAINER_ERROR', message, { hint }));
  };
  const ensureOne = async ({ name, bytes, labels }: WantedVolume, signal: AbortSignal): Promise<void> => {
    const found = await findVolume(engine, name, signal);
    const isPlain = found !== undefined && !isSizedVolume(found);
    const wanted = fileBytes(bytes);
    if (!isPlain && found !== undefined && (sizes.get(name) ?? 0) >= wanted) return;
    if (isPlain && !isOurs(found, labels)) return;
    if (!isPlain && found !== undefined && !sizes.has(name)) {
      // It may have been put back since the last look.
      await lookAtAll(signal);
      assertThere([name]);
      return ensureOne({ name, bytes, labels }, signal);
    }
    const args = ['make', name, String(wanted), String(bytes)];
    const { words: answer } = await (isPlain ? copied(name, args, bytes, signal) : ask(args, signal));
    if (answer === 'large') {
      logger.warn({ volume: name }, 'a volume holds more than it may: it stays without a limit of its own');
      return;
    }
    sizes.set(name, Math.max(wanted, sizes.get(name) ?? 0));
    if (!isPlain && found !== undefined) return;
    // From here on the copy is the data, whatever happens: nobody takes it for an orphan.
    if (isPlain) await engine.call({ method: 'DELETE', path: `/volumes/${name}` }, signal);
    const DriverOpts = sizedOptions(await storeOf(engine, signal), name);
    const body = { Name: name, Driver: 'local', DriverOpts, Labels: { ...labels, [limitedLabel]: 'true' } };
    await engine.call({ method: 'POST', path: '/volumes/create', body }, signal);
    if (answer === 'only') await ask(['moved', name], signal);
  };
  const explained = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof SizedError || error instanceof EngineRefusal)) throw error;
      const reason = error instanceof SizedError ? error.message : error.text;
      logger.warn({ engine: reason }, 'a volume of its own size could not be made for a bot');
      const message = 'The worker could not make a volume of a fixed size for the bot.';
      const hint = 'The operator finds the cause in the log of the worker, and "Disk" in docs/SECURITY.md.';
      throw asFailure(problem('CONTAINER_ERROR', message, { hint }), 'briefly', { cause: error });
    }
  };
  return {
    ensure: (volumes, signal) =>
      explained(
        (async () => {
          await attached(signal);
          for (const volume of volumes) await ensureOne(volume, signal);
        })(),
      ),
    attached: (signal) => explained(attached(signal)),
    tried: (signal) => explained(seen && !mustTry && lacking === undefined ? Promise.resolve() : lookAtAll(signal)),
    attachedFor: async (names, signal) => {
      keeper.forget();
      await explained(lookAtAll(signal));
      assertThere(names);
    },
    forget() {
      seen = false;
      hasWorked = false;
      keeper.forget();
    },
    async remove(names, own, signal) {
      if ((await findVolume(engine, storeVolume, signal)) === undefined) return;
      // A try before this one, or a worker, may have removed no more than the volumes.
      await attached(signal);
      const gone = new Set(names);
      for (const name of new Set([...sizes.keys(), ...unattached.keys(), ...copies.keys()])) {
        const isOwn = name === own || name.startsWith(`${own}_`);
        // Another worker may have a volume of the same bot.
        if (isOwn && (await findVolume(engine, name, signal)) === undefined) gone.add(name);
      }
      const removed = [...gone].map(async (name) => {
        await ask(['remove', name], signal);
        sizes.delete(name);
        unattached.delete(name);
        copies.delete(name);
      });
      await Promise.all(removed);
    },
    obstacle: () => runs.why() ?? lacking,
    works: () => hasWorked && runs.why() === undefined && lacking === undefined,
  };
}

const mib = 1024 * 1024;

/** As large as a bot may fill, with what the file system keeps for itself. */
const fileBytes = (bytes: number): number => {
  const tables = (bytes / bytesPerFile) * 256;
  const journal = bytes < 128 * mib ? 8 * mib : 40 * mib;
  return Math.ceil((bytes + tables + bytes / 32 + journal) / 4096) * 4096;
};

const isOurs = (volume: unknown, labels: Readonly<Record<string, string>>): boolean => {
  const found = texts(record(volume)['Labels']);
  return Object.entries(labels).every(([name, value]) => found[name] === value);
};
