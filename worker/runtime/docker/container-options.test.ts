import { describe, expect, test } from 'vitest';
import { containerName, imageName, imageVolumeName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { containerOptions, type ImageFacts } from './container-options.ts';

describe('what a container is created with', () => {
  test('is exactly this', () => {
    const key = { userId: 'dev', botId: 'echo' };
    const plan = {
      key,
      workerId: 'w1',
      revision: 2n,
      epoch: 1n,
      name: containerName(key),
      image: imageName(key, 2n),
      run: { kind: 'simple', language: 'python', entrypoint: 'bot.py' },
      env: new Secret({ BOT_TOKEN: '1=2', EMPTY: '' }),
      memoryBytes: 268_435_456,
      cpuMillis: 500,
    } as const;
    expect(containerOptions(plan, { bot_runner: 'true', sig: 'abc' }, 'bots')).toEqual({
      Image: 'bot_image_i42g76oo4toonhej:g2',
      Cmd: ['python', '-u', 'bot.py'],
      WorkingDir: '/app',
      User: '10001:10001',
      Env: ['BOT_TOKEN=1=2', 'EMPTY=', 'BOTRUNNER_DATA_DIR=/data'],
      Hostname: 'i42g76oo4toonhej',
      Labels: { 'bot_runner.build': '', bot_runner: 'true', sig: 'abc' },
      Healthcheck: { Test: ['NONE'] },
      StopTimeout: 10,
      Tty: false,
      OpenStdin: false,
      HostConfig: {
        NetworkMode: 'bots',
        RestartPolicy: { Name: 'no' },
        AutoRemove: false,
        Privileged: false,
        CapDrop: ['ALL'],
        CapAdd: [],
        SecurityOpt: ['no-new-privileges:true'],
        ReadonlyRootfs: false,
        Init: true,
        PidsLimit: 128,
        Memory: 268_435_456,
        MemorySwap: 268_435_456,
        NanoCpus: 500_000_000,
        ShmSize: 67_108_864,
        Ulimits: [
          { Name: 'nofile', Soft: 4096, Hard: 4096 },
          { Name: 'core', Soft: 0, Hard: 0 },
        ],
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
        IpcMode: 'private',
        CgroupnsMode: 'private',
        PublishAllPorts: false,
        Mounts: [
          {
            Type: 'volume',
            Source: 'bot_data_i42g76oo4toonhej',
            Target: '/data',
            ReadOnly: false,
            VolumeOptions: { Labels: { bot_runner: 'true', user_id: 'dev', bot_id: 'echo', worker_id: 'w1' } },
          },
        ],
      },
    });
  });

  describe('hostile 76: of what an image says', () => {
    const key = { userId: 'dev', botId: 'echo' };
    const plan = {
      key,
      workerId: 'w1',
      revision: 2n,
      epoch: 1n,
      name: containerName(key),
      image: 'python@sha256:1',
      run: { kind: 'image' },
      env: new Secret({ BOT_TOKEN: '1=2' }),
      memoryBytes: 268_435_456,
      cpuMillis: 500,
    } as const;
    const of = (image: Partial<ImageFacts>) =>
      containerOptions(plan, {}, 'bots', { user: '', workDir: '', volumes: [], env: [], ...image });

    test.each(['', 'root', 'root:wheel', '0', '0:5', '00', '+0', '-0', ':5'])(
      'is root for USER "%s", with little',
      (user) => {
        expect(of({ user })).toMatchObject({
          User: user,
          HostConfig: { CapDrop: ['ALL'], CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID', 'KILL'] },
        });
      },
    );

    test.each(['1000', 'node', '10001:10001', 'rooty', '0x0'])('is USER %s without any', (user) => {
      expect(of({ user })).toMatchObject({ User: user, HostConfig: { CapDrop: ['ALL'], CapAdd: [] } });
    });

    test('sets nothing that the image decides', () => {
      const options = of({});
      for (const name of ['Cmd', 'Entrypoint', 'WorkingDir', 'Healthcheck', 'StopSignal']) {
        expect(options).not.toHaveProperty(name);
      }
    });

    test.each([
      [{}, ['BOT_TOKEN=1=2', 'BOTRUNNER_DATA_DIR=/data', 'PYTHONUNBUFFERED=1']],
      [{ env: ['PATH=/bin', 'PYTHONUNBUFFERED=0'] }, ['BOT_TOKEN=1=2', 'BOTRUNNER_DATA_DIR=/data']],
    ])('unbuffers Python where the image does not say otherwise: %j', (image, env) => {
      expect(of(image).Env).toEqual(env);
    });

    test('has one volume for each path, whatever way it is written', () => {
      const { Mounts } = of({ volumes: ['/app/storage/', 'app/storage', '/data/', '/a/../b'] }).HostConfig;
      expect(Mounts.map(({ Source, Target }) => [Target, Source])).toEqual([
        ['/data', 'bot_data_i42g76oo4toonhej'],
        ['/app/storage', imageVolumeName(key, '/app/storage')],
        ['/b', imageVolumeName(key, '/b')],
      ]);
      expect(new Set(Mounts.map(({ VolumeOptions }) => JSON.stringify(VolumeOptions))).size).toBe(1);
    });

    const strict = { runtimeClass: undefined, noRoot: true };
    const strictly = (image: Partial<ImageFacts>, more: { readonly env?: Secret<Record<string, string>> } = {}) =>
      containerOptions(
        { ...plan, ...more },
        {},
        'bots',
        { user: '', workDir: '', volumes: [], env: [], ...image },
        undefined,
        strict,
      );

    test.each(['', 'root', '0:0', '+0'])(
      'with USER "%s" is the bots’ own user without any, where none of them may be root',
      (user) => {
        const options = strictly({ user });
        expect(options).toMatchObject({ User: '10001:10001', HostConfig: { CapDrop: ['ALL'], CapAdd: [] } });
        expect(options.Env).toContain('HOME=/root');
      },
    );

    test('keeps its own user and home there', () => {
      expect(strictly({ user: '1000' })).toMatchObject({ User: '1000', HostConfig: { CapAdd: [] } });
      expect(strictly({ user: '1000' }).Env).not.toContain('HOME=/root');
      expect(strictly({ env: ['HOME=/srv'] }).Env).not.toContain('HOME=/root');
      expect(strictly({}, { env: new Secret({ HOME: '/data' }) }).Env).not.toContain('HOME=/root');
    });

    test.each([
      [{}, ['/tmp', '/var/tmp', '/run']],
      [{ workDir: '/tmp/bot' }, ['/var/tmp', '/run']],
      [{ volumes: ['/run/', '/var/tmp/x'] }, ['/tmp']],
    ])('read-only has folders in memory where it has nothing of its own: %j', (image, paths) => {
      const facts = { user: '', workDir: '', volumes: [], env: [], ...image };
      const { HostConfig, Env } = containerOptions({ ...plan, readOnly: true }, {}, 'bots', facts);
      expect(HostConfig.ReadonlyRootfs).toBe(true);
      expect(Object.keys(HostConfig.Tmpfs ?? {})).toEqual(paths);
      expect(Env).toContain('PYTHONDONTWRITEBYTECODE=1');
      const small = containerOptions({ ...plan, readOnly: true, memoryBytes: 16 * 1024 * 1024 }, {}, 'bots', facts);
      expect(Object.values(small.HostConfig.Tmpfs ?? {})[0]).toMatch(/,size=8388608$/);
    });

    test('has the runtime that the settings name', () => {
      const facts = { user: '', workDir: '', volumes: [], env: [] };
      const kata = { runtimeClass: 'kata-runtime', noRoot: false };
      expect(containerOptions(plan, {}, 'bots', facts, undefined, kata).HostConfig.Runtime).toBe('kata-runtime');
      expect(containerOptions(plan, {}, 'bots', facts).HostConfig).not.toHaveProperty('Runtime');
    });

    test('checks its health every ten seconds at most', () => {
      const often = { Interval: 10_000_000_000, StartInterval: 10_000_000_000 };
      const checkOf = (...healthIntervalsNs: readonly number[]) => Object(of({ healthIntervalsNs })).Healthcheck;
      expect([checkOf(1_000_000, 0), checkOf(0, 1_000_000)]).toEqual([often, often]);
      expect([checkOf(0, 0), checkOf(30_000_000_000, 0), checkOf()]).toEqual([undefined, undefined, undefined]);
    });

    test.each(['/', '//', '/a/..'])('is refused when all of its files are a volume, written as %s', (path) => {
      expect(() => of({ volumes: ['/data', path] })).toThrow('all of its files');
    });

    test('is refused with more volumes than anybody needs', () => {
      const volumes = Array.from({ length: 33 }, (_, n) => `/v${n}`);
      expect(() => of({ volumes })).toThrow(/declares 33 volumes/);
    });
  });
});
