import { describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { createRecordingLogger } from '../../../../test/kit/recording-logger.ts';
import type { EngineClient } from '../engine-client.ts';
import { adviceOf } from './advice.ts';
import { factsText, isSandbox, readEngineFacts } from './engine-facts.ts';
import { createIsolation } from './isolation.ts';
import { judgeSeen } from './judge-seen.ts';
import { readProbe } from './probe.ts';

/** As Docker answers GET /info where all is well. */
const info = {
  SecurityOptions: ['name=apparmor', 'name=seccomp,profile=default', 'name=cgroupns'],
  CgroupDriver: 'systemd',
  CgroupVersion: '2',
  MemoryLimit: true,
  CpuCfsQuota: true,
  PidsLimit: true,
  Runtimes: { runc: { path: 'runc' }, 'io.containerd.runc.v2': { path: 'runc' }, runsc: { path: '/usr/bin/runsc' } },
  LiveRestoreEnabled: true,
  KernelVersion: '6.1.0-30-amd64',
};
const rootlessV1 = {
  ...info,
  CgroupDriver: 'none',
  CgroupVersion: '1',
  MemoryLimit: false,
  CpuCfsQuota: false,
  PidsLimit: false,
  SecurityOptions: ['name=seccomp,profile=default', 'name=rootless'],
};

/** What the probe prints on a host with cgroup version 1. */
const printed = `== /proc/version
Linux version 6.1.0-30-amd64 (debian-kernel@lists.debian.org) #1 SMP
== /proc/self/status
Name:	cat
Uid:	10001	10001	10001	10001
CapEff:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
== /proc/self/uid_map
         0          0 4294967295
== /sys/fs/cgroup/memory.max
== /sys/fs/cgroup/cpu.max
== /sys/fs/cgroup/pids.max
== /sys/fs/cgroup/memory/memory.limit_in_bytes
67108864
== /sys/fs/cgroup/cpu/cpu.cfs_quota_us
50000
== /sys/fs/cgroup/cpu/cpu.cfs_period_us
100000
== /sys/fs/cgroup/pids/pids.max
32
`;
const v2 = `${printed.slice(0, printed.indexOf('67108864'))}`
  .replace('memory.max\n', 'memory.max\n67108864\n')
  .replace('cpu.max\n', 'cpu.max\n50000 100000\n')
  .replace('pids.max\n', 'pids.max\n32\n');

describe('what an engine says', () => {
  it('is read, and told behind its version', () => {
    const facts = readEngineFacts(info);
    expect(facts).toMatchObject({ userNamespace: undefined, missingLimits: [], seccomp: true, confinedBy: 'AppArmor' });
    expect(factsText(facts, undefined)).toBe('');
    expect(factsText(facts, 'runsc')).toBe(', runsc');
    const remapped = readEngineFacts({ ...info, SecurityOptions: ['name=seccomp,profile=builtin', 'name=userns'] });
    expect([remapped.seccomp, factsText(remapped, undefined)]).toEqual([true, ', user namespaces']);
    expect(factsText(readEngineFacts(rootlessV1), undefined)).toBe(', rootless, limits do not hold');
    // One that claims limits without control groups to set them by.
    const claims = { ...rootlessV1, CgroupDriver: 'cgroupfs', MemoryLimit: true, CpuCfsQuota: true, PidsLimit: true };
    expect(readEngineFacts(claims).missingLimits).toEqual(['memory', 'CPU', 'the number of processes']);
    expect(readEngineFacts({ ...claims, CgroupVersion: '2', CgroupDriver: 'systemd' }).missingLimits).toEqual([]);
    expect(readEngineFacts({ ...info, SecurityOptions: ['name=seccomp,profile=unconfined'] }).seccomp).toBe(false);
    expect(readEngineFacts({ ...info, SecurityOptions: [] }).seccomp).toBe(false);
  });

  it.each([
    ['20.10.24+dfsg', true, true],
    ['24.0.9', true, true],
    ['25.0.0', false, true],
    ['28.5.2', false, true],
    ['29.4.1', false, true],
    ['29.4.2', false, false],
    ['29.10.0', false, false],
    ['30.0.0-rc.1', false, false],
    ['dev', false, false],
  ])('Docker %s: io_uring %j, AF_ALG %j are advised against', (ServerVersion, rings, crypto) => {
    const facts = readEngineFacts({ ...info, ServerVersion });
    const advice = adviceOf(facts, { ringsOff: 0 }, undefined);
    expect([advice.includes('io_uring'), advice.includes('AF_ALG')]).toEqual([rings, crypto]);
    expect(adviceOf(facts, { ringsOff: 2 }, undefined)).not.toContain('io_uring');
    expect(adviceOf(facts, { ringsOff: 0 }, 'runsc')).toBe('');
  });

  it.each(['runsc', 'runsc-kvm', 'gvisor', 'kata', 'kata-runtime', 'io.containerd.kata.v2', 'io.containerd.runsc.v1'])(
    '%s is a sandbox',
    (name) => expect(isSandbox(name)).toBe(true),
  );
  it.each([undefined, 'runc', 'crun', 'io.containerd.runc.v2', 'my-runsc', 'nvidia'])('%s is not', (name) =>
    expect(isSandbox(name)).toBe(false),
  );
});

describe('what a container shows', () => {
  const facts = readEngineFacts(info);
  const judge = (text: string, of = facts, runtimeClass?: string) => judgeSeen(readProbe(text), of, runtimeClass);

  it('is right on either version of control groups', () => {
    expect([judge(printed), judge(v2)]).toEqual([undefined, undefined]);
  });

  it.each([
    ['67108864', '9223372036854771712', /limits do not hold: memory\./],
    ['== /sys/fs/cgroup/memory/memory.limit_in_bytes\n67108864', '', /limits do not hold: memory\./],
    ['cpu.cfs_quota_us\n50000', 'cpu.cfs_quota_us\n-1', /limits do not hold: CPU\./],
    ['pids/pids.max\n32', 'pids/pids.max\nmax', /limits do not hold: the number of processes\./],
    ['Seccomp:\t2', 'Seccomp:\t0', /not filtered/],
    ['NoNewPrivs:\t1', 'NoNewPrivs:\t0', /gain privileges/],
    ['CapEff:\t0000000000000000', 'CapEff:\t00000000a80425fb', /without capabilities has some/],
  ])('is wrong with %j as %j', (from, to, message) => {
    expect(printed).toContain(from);
    expect(judge(printed.replace(from, to))).toMatch(message);
  });

  it('has to be another user outside where the engine says so, and another kernel in a sandbox', () => {
    const userns = { ...facts, userNamespace: 'userns' } as const;
    expect(judge(printed, userns)).toMatch(/is root of the host/);
    expect(judge(printed.replace(/0 {10}0 /, '0     231072 '), userns)).toBeUndefined();
    expect(judge(printed, facts, 'runsc')).toMatch(/it is no sandbox/);
    const gvisor = readProbe('== /proc/version\nLinux version 4.4.0 #1 SMP\n');
    expect(judgeSeen({ ...gvisor, ateMore: false }, facts, 'runsc')).toBeUndefined();
    expect(judgeSeen({ ...gvisor, ateMore: true }, facts, 'runsc')).toMatch(/more memory than its limit/);
    expect(judgeSeen(gvisor, facts, 'runsc')).toMatch(/more memory than its limit/);
    expect(judge('', facts, 'runsc')).toMatch(/it is no sandbox/);
  });
});

describe('what follows', () => {
  const signal = AbortSignal.timeout(20_000);
  const isolationOf = (answer: unknown, choice: { runtimeClass?: string; strangers?: boolean } = {}) => {
    const engine: EngineClient = {
      kind: async () => 'docker',
      api: async () => 43,
      call: async ({ path }) => {
        if (path !== '/info') throw new Error(`no call of ${path} was to be made`);
        return answer;
      },
      stream: () => Promise.reject(new Error('nothing is streamed here')),
    };
    const { logger, lines } = createRecordingLogger();
    const { runtimeClass, strangers = true } = choice;
    const options = { engine, workerId: 'w', runtimeClass, strangers, images: ['a'], clock: systemClock, logger };
    return { isolation: createIsolation(options), lines };
  };
  const noRoot = async (answer: unknown, choice = {}) =>
    (await isolationOf(answer, choice).isolation.confinement(signal)).noRoot;

  it('is that nobody is root among strangers, unless in a user namespace or a sandbox', async () => {
    expect(await noRoot(info)).toBe(true);
    expect(await noRoot(info, { strangers: false })).toBe(false);
    expect(await noRoot({ ...info, SecurityOptions: ['name=userns'] })).toBe(false);
    expect(await noRoot({ ...info, SecurityOptions: ['name=rootless'] })).toBe(false);
    expect(await noRoot(info, { runtimeClass: 'runsc' })).toBe(false);
    expect(await noRoot(info, { runtimeClass: 'runc' })).toBe(true);
  });

  it.each([
    [
      rootlessV1,
      {},
      'The engine is rootless on cgroup version 1, where limits do not hold: memory, CPU, the number of processes.',
    ],
    [{ ...info, PidsLimit: false }, {}, 'The engine cannot limit the number of processes.'],
    [
      { ...info, SecurityOptions: [] },
      {},
      'The engine does not filter the system calls of bots: it has no seccomp profile.',
    ],
    [
      info,
      { runtimeClass: 'kata' },
      'RUNTIME_CLASS=kata, but the engine has no runtime of that name (it has runc, io.containerd.runc.v2, runsc).',
    ],
  ])('is that the check fails by the word of the engine, with a cure: %#', async (answer, choice, message) => {
    const check = await isolationOf(answer, choice).isolation.check(signal);
    expect(check).toMatchObject({ name: 'isolation', ok: false, message, hint: expect.stringMatching(/\w{3}.*\.$/) });
  });

  it('is one warning for the operator, and no start with another runtime than the one asked for', async () => {
    const { isolation, lines } = isolationOf(info, { runtimeClass: 'kata' });
    isolation.sawInfo(info);
    isolation.sawInfo(info);
    expect(lines).toEqual([expect.stringMatching(/RUNTIME_CLASS=kata.*No bot is started until it has\./)]);
    await expect(isolation.assertPossible(signal)).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR', hint: expect.stringContaining('daemon.json') },
    });
    const rootless = isolationOf(rootlessV1);
    rootless.isolation.sawInfo(rootlessV1);
    expect(rootless.lines).toEqual([expect.stringContaining('limits of bots do not hold: a rootless engine')]);
    await isolationOf(info, { runtimeClass: 'runsc' }).isolation.assertPossible(signal);
  });
});
