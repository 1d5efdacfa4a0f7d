import { expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { record, text } from '../answers.ts';
import type { EngineCall, EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import type { ToolsRun } from './run-tools.ts';
import { isSizedVolume, storeLabel, storeVolume } from './sized-names.ts';
import { createSizedVolumes } from './sized-volumes.ts';

const labels = { bot_runner: 'true' };
const wanted = { name: 'bot-data', bytes: 1024 * 1024, labels };

/** An engine that knows volumes, and runs that end when `end` is called. */
function world(volumes: Record<string, object>) {
  const removedByEngine: string[] = [];
  const keeper: string[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    stream: () => Promise.reject(new Error('nothing is streamed here')),
    async call({ method, path, body }: EngineCall) {
      if (path === '/info') return {};
      if (path.startsWith('/containers/')) {
        if (method === 'GET' && !keeper.includes('create')) throw new EngineRefusal(404, 'no such container');
        if (method === 'POST') keeper.push(path.slice(path.lastIndexOf('/') + 1));
        return { Config: { Image: 'tools' } };
      }
      if (path === '/volumes/create') {
        const { Name, DriverOpts, Labels } = record(body);
        volumes[text(Name)] = { Options: DriverOpts, Labels };
        return {};
      }
      const name = path.slice('/volumes/'.length);
      const found = volumes[name];
      if (found === undefined) throw new EngineRefusal(404, 'no such volume');
      if (method === 'DELETE') {
        removedByEngine.push(name);
        delete volumes[name];
      }
      return found;
    },
  };
  const jobs: string[] = [];
  const ends: (() => void)[] = [];
  const sized = createSizedVolumes({
    engine,
    logger: silentLogger,
    findTools: async () => ({ image: 'tools', shell: 'sh', env: [], missing: [] }),
    async run(_tools, { args }: ToolsRun) {
      const [job = '', name = ''] = args.slice(2);
      jobs.push(`${job} ${name}`.trim());
      if (job === 'all')
        return { code: 0, output: [...notes, `#0 ok ${listedFiles.join(' ')}`].join('\n'), file: undefined };
      if (failing.has(name)) return { code: 0, output: '#0 no space', file: undefined };
      if (job === 'make') await new Promise<void>((resolve) => ends.push(resolve));
      return { code: 0, output: job === 'make' ? '#0 ok only' : '#0 ok', file: undefined };
    },
  });
  const listedFiles: string[] = [];
  const notes: string[] = [];
  const failing = new Set<string>();
  return { notes, failing, sized, jobs, ends, volumes, listedFiles, removedByEngine, keeper };
}

const store = { [storeVolume]: { Labels: { [storeLabel]: '0123456789ab' } } };
const patience = () => AbortSignal.timeout(5000);

const sizedAs = (name: string) => ({ Options: { device: `/dev/bot_runner/0123456789ab/${name}` }, Labels: labels });

it('begins an empty file for a new volume alone: one whose file is gone is refused, with what can be done, and nothing is made', async () => {
  const { sized, jobs, ends, listedFiles } = world({
    ...store,
    'bot-data': sizedAs('bot-data'),
    kept: sizedAs('kept'),
  });
  listedFiles.push('kept=999999999');
  const refused = {
    problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('What the bot kept is gone') },
  };
  await expect(sized.ensure([wanted], patience())).rejects.toMatchObject(refused);
  // Also when it is to be started in the container that it has.
  await expect(sized.attachedFor(['kept', 'bot-data'], patience())).rejects.toMatchObject(refused);
  await sized.attachedFor(['kept'], patience());
  await sized.ensure([{ ...wanted, name: 'kept' }], patience());
  expect(jobs.every((job) => job === 'all')).toBe(true);
  const made = sized.ensure([{ ...wanted, name: 'new' }], patience());
  await expect.poll(() => ends.length).toBe(1);
  ends[0]?.();
  await made;
  expect(jobs.at(-1)).toBe('moved new');
  // It was restored: each try that finds none looks again.
  listedFiles.push('bot-data=999999999');
  await sized.ensure([wanted], patience());
});

it('fails only the bot whose file cannot be attached, with the reason, until it can be', async () => {
  const { sized, notes, listedFiles } = world({
    ...store,
    'bot-data': sizedAs('bot-data'),
    kept: sizedAs('kept'),
  });
  listedFiles.push('kept=999999999');
  notes.push('#0: without bot-data losetup: bot-data.img: Is a directory');
  await sized.tried(patience());
  expect(sized.works()).toBe(true);
  await sized.ensure([{ ...wanted, name: 'kept' }], patience());
  await sized.attachedFor(['kept'], patience());
  const message = expect.stringMatching(/cannot be reached: the file bot-data\.img .* \(losetup: .*Is a directory\)/);
  const refused = { problem: { code: 'CONTAINER_ERROR', message } };
  await expect(sized.ensure([wanted], patience())).rejects.toMatchObject(refused);
  await expect(sized.attachedFor(['bot-data'], patience())).rejects.toMatchObject(refused);
  expect(sized.works()).toBe(true);
  notes.length = 0;
  listedFiles.push('bot-data=999999999');
  await sized.ensure([wanted], patience());
});

it('does not work while none can be made for a trial, which starts of what is there do not wait for', async () => {
  const { sized, jobs, notes, listedFiles } = world({ ...store, kept: sizedAs('kept') });
  listedFiles.push('kept=999999999');
  notes.push('#0: trial mke2fs failed');
  await sized.tried(patience());
  expect(sized.works()).toBe(false);
  expect(sized.obstacle()).toContain('mke2fs failed');
  await sized.ensure([{ ...wanted, name: 'kept' }], patience());
  expect(jobs).toEqual(['all']);
  notes.length = 0;
  await sized.tried(patience());
  expect(sized.works()).toBe(true);
  await sized.tried(patience());
  expect(jobs).toEqual(['all', 'all']);
});

it('tries again whether one can be made when one could not be, and holds nothing against the others until it is known', async () => {
  const { sized, jobs, notes, failing } = world({ ...store });
  await sized.tried(patience());
  failing.add('bot-data');
  await expect(sized.ensure([wanted], patience())).rejects.toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
  expect(sized.works()).toBe(true);
  notes.push('#0: trial mke2fs failed');
  await sized.tried(patience());
  expect(sized.works()).toBe(false);
  expect(jobs).toEqual(['all', 'make bot-data', 'all']);
});

it('continues a copy that took longer than a create may, and begins it only once', async () => {
  const { sized, jobs, ends, volumes } = world({ ...store, 'bot-data': { Labels: labels } });
  const first = new AbortController();
  const given = sized.ensure([wanted], first.signal);
  await expect.poll(() => ends.length).toBe(1);
  first.abort(new Error('that took too long'));
  await expect(given).rejects.toThrow('too long');
  const second = new AbortController();
  const given2 = sized.ensure([wanted], second.signal);
  ends[0]?.();
  await given2;
  expect(jobs.filter((job) => job === 'make bot-data')).toHaveLength(1);
  expect(isSizedVolume(record(volumes['bot-data']))).toBe(true);
});

it('copies no volume that is gone by the time of its turn: the engine would make an empty one', async () => {
  const { sized, jobs, ends, volumes } = world({
    ...store,
    'bot-data': { Labels: labels },
    other: { Labels: labels },
  });
  const first = sized.ensure([{ ...wanted, name: 'other' }], patience());
  await expect.poll(() => ends.length).toBe(1);
  const second = sized.ensure([wanted], patience());
  const refused = expect(second).rejects.toThrow('is gone');
  await new Promise((resolve) => setImmediate(resolve));
  delete volumes['bot-data'];
  ends[0]?.();
  await first;
  await refused;
  expect(jobs).not.toContain('make bot-data');
});

it('removes a copy that nobody has taken when its bot is gone, and no other one', async () => {
  const { sized, jobs, ends, volumes } = world({ ...store, 'bot-data': { Labels: labels } });
  const given = new AbortController();
  const first = sized.ensure([wanted], given.signal);
  await expect.poll(() => ends.length).toBe(1);
  given.abort(new Error('that took too long'));
  await expect(first).rejects.toThrow('too long');
  ends[0]?.();
  await sized.remove([], 'bot-data', patience());
  expect(jobs).not.toContain('remove bot-data');
  delete volumes['bot-data'];
  await sized.remove([], 'bot', patience());
  expect(jobs).not.toContain('remove bot-data');
  await sized.remove([], 'bot-data', patience());
  expect(jobs.at(-1)).toBe('remove bot-data');
});

it('removes the files of a bot that is gone, also when a try before removed no more than the volumes', async () => {
  // By a worker before this one.
  const { sized, jobs, listedFiles, failing } = world({ ...store });
  listedFiles.push('bot-data=4096', 'bot-data_x=4096', 'bot=4096');
  failing.add('bot-data');
  await expect(sized.remove([], 'bot-data', patience())).rejects.toThrow('no space');
  failing.clear();
  await sized.remove([], 'bot-data', patience());
  expect(jobs.filter((job) => job === 'remove bot-data')).toHaveLength(2);
  expect(jobs).toContain('remove bot-data_x');
  expect(jobs).not.toContain('remove bot');
});

it('keeps a file whose volume is gone: somebody may have removed it, and the next start takes it again', async () => {
  const { sized, jobs, listedFiles } = world({ ...store, 'bot-data': sizedAs('bot-data') });
  listedFiles.push('bot-data=4096', 'bot-gone=4096');
  await sized.attached(patience());
  expect(jobs).toEqual(['all']);
});

it('keeps the volume of the files in use, with a container that is made and started once', async () => {
  const { sized, keeper } = world({ ...store });
  await sized.attached(patience());
  expect(keeper).toEqual(['create', 'start']);
  sized.forget();
  await sized.attached(patience());
  expect(keeper).toEqual(['create', 'start', 'start']);
});
