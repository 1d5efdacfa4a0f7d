import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { EngineUnavailableError } from '../container-runtime.ts';
import type { EngineCall, EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { createBotNetworks } from './network.ts';
import { bridgePrefix, networkName } from './network-names.ts';
import { defaultSubnets, parseSubnetPool } from './subnets.ts';

interface Network {
  readonly Name: string;
  readonly Options?: Readonly<Record<string, string>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly IPAM?: { readonly Config: readonly { readonly Subnet: string }[] };
}

/** An engine with networks and nothing else. `inUse` are those that a container is in. */
function engineWith(networks: Network[], inUse: readonly string[] = []) {
  const calls: string[] = [];
  const answer = ({ method, path, query, body }: EngineCall): unknown => {
    calls.push(`${method} ${path}`);
    const name = decodeURIComponent(path.slice('/networks/'.length));
    const at = networks.findIndex(({ Name }) => Name === name);
    if (path === '/networks') return networks;
    if (path === '/networks/create') {
      // What this code sends is a network.
      networks.push(body as Network);
      return {};
    }
    if (path === '/containers/json') {
      const filters = query?.['filters'] as { network: string[] };
      return filters.network.some((wanted) => inUse.includes(wanted)) ? [{}] : [];
    }
    if (at < 0) throw new EngineRefusal(404, `network ${name} not found`);
    if (method === 'DELETE') {
      if (inUse.includes(name)) throw new EngineRefusal(403, `network ${name} has active endpoints`);
      networks.splice(at, 1);
    }
    return networks[at] ?? {};
  };
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    call: async (call) => answer(call),
    stream: () => Promise.reject(new Error('no streams here')),
  };
  return { engine, calls, networks };
}

const signal = AbortSignal.timeout(20_000);
const options = { base: 'bots', workerId: 'w1', subnets: defaultSubnets };
const refusing = (error: EngineRefusal): EngineClient => ({
  ...engineWith([]).engine,
  call: () => Promise.reject(error),
});

describe('the networks of a worker', () => {
  it('are two for each user, with addresses and bridges of their own', async () => {
    const { engine, networks } = engineWith([
      { Name: 'lan', IPAM: { Config: [{ Subnet: '10.217.0.128/25' }] } },
      { Name: 'six', IPAM: { Config: [{ Subnet: 'fd00::/64' }] } },
    ]);
    const made = createBotNetworks(engine, options, silentLogger);
    const names = [
      await made.ensure('alice', 'bots', signal),
      await made.ensure('alice', 'builds', signal),
      await made.ensure('bob', 'bots', signal),
    ];
    expect(names[0]).toMatch(/^bots_alice_[a-z2-7]{8}$/);
    expect(names[1]).toBe(`${names[0]}_build`);
    expect(networks.slice(2).map(({ Name }) => Name)).toEqual(names);
    expect(networks.slice(2).map(({ IPAM }) => IPAM?.Config[0]?.Subnet)).toEqual([
      '10.217.1.0/24',
      '10.217.2.0/24',
      '10.217.3.0/24',
    ]);
    const bridges = networks.slice(2).map(({ Options }) => Options?.['com.docker.network.bridge.name'] ?? '');
    expect(new Set(bridges.map((bridge) => bridge.length))).toEqual(new Set([15]));
    expect(new Set(bridges).size).toBe(3);
    const prefixes = (['bots', 'builds', 'bots'] as const).map((use) => bridgePrefix('w1', use));
    for (const [at, prefix] of prefixes.entries()) expect(bridges[at]?.startsWith(prefix)).toBe(true);
    expect(networks.slice(2).map(({ Options }) => Options?.['com.docker.network.bridge.enable_icc'])).toEqual([
      'false',
      'false',
      'false',
    ]);
  });

  it('of two workers on one engine, and under another base name, differ in name and bridge', () => {
    const [one, two] = ['w1', 'w2'].map((workerId) => networkName('bots', workerId, 'alice', 'bots'));
    const renamed = networkName('others', 'w1', 'alice', 'bots');
    expect(renamed.bridge).not.toBe(one?.bridge);
    expect(one?.name).not.toBe(two?.name);
    expect(one?.bridge).not.toBe(two?.bridge);
    expect(bridgePrefix('w1', 'bots')).not.toBe(bridgePrefix('w2', 'bots'));
  });

  it('have the packet size of a network that an operator has given the base name', async () => {
    const mtu = { 'com.docker.network.driver.mtu': '1400' };
    const { engine, networks } = engineWith([{ Name: 'bots', Options: mtu }]);
    await createBotNetworks(engine, options, silentLogger).ensure('alice', 'bots', signal);
    expect(networks[1]?.Options).toMatchObject(mtu);
  });

  it('are recreated when something else has taken the name, and refused when containers are in that one', async () => {
    const { name } = networkName('bots', 'w1', 'alice', 'bots');
    const foreign = engineWith([{ Name: name, Options: {} }]);
    await createBotNetworks(foreign.engine, options, silentLogger).ensure('alice', 'bots', signal);
    expect(foreign.networks[0]?.Options).toMatchObject({ 'com.docker.network.bridge.enable_icc': 'false' });
    const used = engineWith([{ Name: name, Options: {} }], [name]);
    const ensuring = createBotNetworks(used.engine, options, silentLogger).ensure('alice', 'bots', signal);
    await expect(ensuring).rejects.toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
    expect(used.networks[0]?.Options).toEqual({});
  });

  it('take the next range when another program was faster, and say so when none is left', async () => {
    const { engine, networks } = engineWith([]);
    let refusals = 2;
    const contested: EngineClient = {
      ...engine,
      call: async (call, limit) => {
        if (call.path === '/networks/create' && refusals > 0) {
          refusals -= 1;
          throw new EngineRefusal(403, 'Pool overlaps with other one on this address space');
        }
        return engine.call(call, limit);
      },
    };
    await createBotNetworks(contested, options, silentLogger).ensure('alice', 'bots', signal);
    expect(networks).toHaveLength(1);
    const subnets = parseSubnetPool(`${networks[0]?.IPAM?.Config[0]?.Subnet}:24`) ?? defaultSubnets;
    const full = createBotNetworks(engine, { ...options, subnets }, silentLogger).ensure('bob', 'bots', signal);
    await expect(full).rejects.toMatchObject({ problem: { hint: expect.stringContaining('BOT_SUBNETS') } });
  });

  it('take the next range when the engine holds one that no network has', async () => {
    const { engine, networks } = engineWith([]);
    const lost = '10.217.0.0/24';
    const forgetful: EngineClient = {
      ...engine,
      call: async (call, limit) => {
        const wanted = (call.body as Network | undefined)?.IPAM?.Config[0]?.Subnet;
        if (wanted === lost) throw new EngineRefusal(403, 'Pool overlaps with other one on this address space');
        return engine.call(call, limit);
      },
    };
    await createBotNetworks(forgetful, options, silentLogger).ensure('alice', 'bots', signal);
    expect(networks[0]?.IPAM?.Config[0]?.Subnet).toBe('10.217.1.0/24');
  });

  it('are removed after an hour without use', async () => {
    let nowMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
    const busy = networkName('bots', 'w1', 'busy', 'bots').name;
    const { engine, networks } = engineWith([], [busy]);
    const made = createBotNetworks(engine, options, silentLogger, clock);
    for (const user of ['idle', 'busy', 'asking']) await made.ensure(user, 'bots', signal);
    nowMs = 3_000_000;
    await made.ensureSeen('asking', 'bots', signal);
    await made.sweep(signal);
    expect(networks).toHaveLength(3);
    nowMs = 3_700_000;
    await made.sweep(signal);
    expect(networks.map(({ Name }) => Name)).toEqual([busy, made.name('asking', 'bots')]);
  });

  it('go with the last bot of a user, unless a build is in them', async () => {
    const { engine, networks } = engineWith([]);
    const made = createBotNetworks(engine, options, silentLogger);
    for (const use of ['bots', 'builds'] as const) await made.ensure('alice', use, signal);
    await made.during('alice', 'builds', () => made.left('alice', signal));
    expect(networks.map(({ Name }) => Name)).toEqual([made.name('alice', 'builds')]);
    await made.left('alice', signal);
    expect(networks).toEqual([]);
  });

  it('that a build or a leftover of one was still in are removed when the engine answers and it is gone', async () => {
    const inUse: string[] = [];
    const { engine, networks, calls } = engineWith([], inUse);
    const made = createBotNetworks(engine, options, silentLogger);
    inUse.push(await made.ensure('alice', 'builds', signal));
    await made.left('alice', signal);
    await made.settle(signal);
    expect(networks).toHaveLength(1);
    inUse.pop();
    await made.settle(signal);
    expect(networks).toEqual([]);
    const before = calls.length;
    await made.settle(signal);
    expect(calls).toHaveLength(before);
  });

  it('that the engine cannot remove keep no others from being removed', async () => {
    const inUse: string[] = [];
    const { engine, networks } = engineWith([], inUse);
    const broken: EngineClient = {
      ...engine,
      async call(call, limit) {
        const isAlices = call.path === `/networks/${networkName('bots', 'w1', 'alice', 'builds').name}`;
        if (call.method === 'DELETE' && isAlices) throw new EngineRefusal(500, 'unknown endpoint');
        return engine.call(call, limit);
      },
    };
    const made = createBotNetworks(broken, options, silentLogger);
    for (const user of ['alice', 'bob']) {
      inUse.push(await made.ensure(user, 'builds', signal));
      await made.left(user, signal);
    }
    inUse.length = 0;
    await expect(made.settle(signal)).rejects.toMatchObject({ text: 'unknown endpoint' });
    expect(networks.map(({ Name }) => Name)).toEqual([made.name('alice', 'builds')]);
  });

  it('that the engine makes when it was no longer waited for are removed, unless somebody needs them by then', async () => {
    const { engine, networks } = engineWith([]);
    const late: EngineClient = {
      ...engine,
      async call(call, limit) {
        if (call.path === '/networks/create') throw new EngineUnavailableError('no answer');
        return engine.call(call, limit);
      },
    };
    const made = createBotNetworks(late, options, silentLogger);
    const [builds, bots] = [made.name('alice', 'builds'), made.name('bob', 'bots')];
    await expect(made.ensure('alice', 'builds', signal)).rejects.toThrow('no answer');
    await expect(made.ensure('bob', 'bots', signal)).rejects.toThrow('no answer');
    await made.left('alice', signal);
    await made.settle(signal);
    const { bridge } = networkName('bots', 'w1', 'bob', 'bots');
    const Options = {
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.name': bridge,
    };
    networks.push({ Name: builds }, { Name: bots, Options });
    await made.ensure('bob', 'bots', signal);
    await made.settle(signal);
    expect(networks.map(({ Name }) => Name)).toEqual([bots]);
  });

  it('that share a name with another network are reported, with the cure', async () => {
    // As Docker 20.10 says it.
    const engine = refusing(new EngineRefusal(400, 'network bots is ambiguous (2 matches found on name)'));
    const ensuring = createBotNetworks(engine, options, silentLogger).ensure('alice', 'bots', signal);
    await expect(ensuring).rejects.toMatchObject({
      problem: {
        code: 'CONTAINER_ERROR',
        message: expect.stringContaining('The engine has more than one network named bots_alice_'),
        hint: expect.stringContaining('docker network rm ID'),
      },
    });
  });

  it('that the engine does not make fail the start after a few tries, in words for the user', async () => {
    const { engine } = engineWith([]);
    const call: EngineClient['call'] = async (wanted, limit) => {
      if (wanted.method === 'POST') throw new EngineRefusal(500, 'iptables failed: another app holds the xtables lock');
      return engine.call(wanted, limit);
    };
    const failure = await createBotNetworks({ ...engine, call }, options, silentLogger)
      .ensure('alice', 'bots', signal)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ problem: { code: 'CONTAINER_ERROR' }, triesMax: 4 });
  });

  it('that are refused otherwise: the refusal stays what it is', async () => {
    const refusal = new EngineRefusal(400, 'something else');
    const ensuring = createBotNetworks(refusing(refusal), options, silentLogger).ensure('alice', 'bots', signal);
    await expect(ensuring).rejects.toBe(refusal);
  });
});
