import { describe, expect, test } from 'vitest';
import { containerName, imageName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { containerOptions } from './container-options.ts';

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
      Env: ['BOT_TOKEN=1=2', 'EMPTY='],
      Hostname: 'i42g76oo4toonhej',
      Labels: { 'bot_runner.build': '', bot_runner: 'true', sig: 'abc' },
      Healthcheck: { Test: ['NONE'] },
      StopSignal: 'SIGTERM',
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
});
