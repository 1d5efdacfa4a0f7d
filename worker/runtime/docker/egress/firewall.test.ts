import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '#common/clock.ts';
import { createRecordingLogger } from '../../../../test/kit/recording-logger.ts';
import { isTransient } from '../../../failures/transient.ts';
import { createFindAddresses } from './addresses.ts';
import { parseEgress } from './egress-setting.ts';
import { createFirewall, type Holding } from './firewall.ts';
import { parseRefused } from './refused.ts';
import { nameServers } from './resolvers.ts';

const holding: Holding = { holds: true, refused: '', wereGone: false };
const signal = AbortSignal.timeout(20_000);

function firewallWith(choice: { egress?: string; answer?: () => Promise<Holding> }) {
  let nowMs = 0;
  let asked = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
  const { logger, lines, fields } = createRecordingLogger();
  const firewall = createFirewall({
    setting: choice.egress === undefined ? undefined : parseEgress(choice.egress),
    setRules: async () => {
      asked += 1;
      return choice.answer?.() ?? holding;
    },
    ownerOf: (bridge) => (bridge === 'boab' ? 'alice' : undefined),
    clock,
    logger,
  });
  return { firewall, lines, fields, asked: () => asked, pass: (ms: number) => (nowMs += ms) };
}

describe('the firewall', () => {
  it('is set up once for all who wait for it, and not again when it was checked a moment ago', async () => {
    const { firewall, asked, pass, lines } = firewallWith({});
    await Promise.all([firewall.ready(signal), firewall.ready(signal), firewall.ready(signal)]);
    pass(100_000);
    await firewall.ready(signal);
    expect(asked()).toBe(1);
    pass(21_000);
    await firewall.ready(signal);
    expect(asked()).toBe(2);
    expect(lines).toEqual(['info a firewall bounds what bots and builds can reach']);
  });

  it('is checked each minute while the engine answers, and before the next start when it was away', async () => {
    const { firewall, asked, pass } = firewallWith({});
    await firewall.ready(signal);
    firewall.engineAnswers();
    expect(asked()).toBe(1);
    pass(60_000);
    firewall.engineAnswers();
    expect(asked()).toBe(2);
    await firewall.ready(signal);
    firewall.engineAway();
    expect(firewall.check().ok).toBe(false);
    await firewall.ready(signal);
    expect(asked()).toBe(3);
  });

  it('that cannot be made is said once, and refuses starts only where it was asked for', async () => {
    const answer = async (): Promise<Holding> => ({ holds: false, why: 'there is no nft' });
    const byDefault = firewallWith({ answer });
    for (let n = 0; n < 3; n += 1) {
      await byDefault.firewall.ready(signal);
      byDefault.pass(200_000);
    }
    expect(byDefault.asked()).toBe(3);
    expect(byDefault.lines).toEqual([
      'warn there is no firewall for bots, because there is no nft: bots and builds can reach whatever this host can',
    ]);
    expect(byDefault.firewall.check()).toMatchObject({ name: 'egress', ok: false });
    const asked = firewallWith({ egress: 'internet', answer });
    const refused = await asked.firewall.ready(signal).catch((error: unknown) => error);
    expect(refused).toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
    expect(isTransient(refused)).toBe(false);
  });

  it('that cannot be made because the engine is away fails the start, and is tried again', async () => {
    let isAway = true;
    const answer = async (): Promise<Holding> => {
      if (isAway) throw new Error('away');
      return holding;
    };
    const { firewall } = firewallWith({ answer });
    await expect(firewall.ready(signal)).rejects.toThrow('away');
    isAway = false;
    await firewall.ready(signal);
    expect(firewall.check().ok).toBe(true);
  });

  it('that the engine refuses to make fails a start for now where it was asked for, and is soon tried again', async () => {
    const why = 'the engine refused the container that sets the rules: no space left on device';
    let answer: Holding = { holds: false, why, mayPass: true };
    const { firewall, pass } = firewallWith({ egress: 'internet', answer: async () => answer });
    const refused = await firewall.ready(signal).catch((error: unknown) => error);
    expect(refused).toMatchObject({ problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining(why) } });
    expect(isTransient(refused)).toBe(true);
    answer = holding;
    pass(3000);
    await firewall.ready(signal);
    expect(firewall.check().ok).toBe(true);
  });

  it('says which places a user was refused, each once and a scan in few lines', async () => {
    const element = (n: number) => `"boab" . 10.0.0.5 . tcp . ${n} expires 59m1s, `;
    let refused = element(6379);
    const { firewall, fields, pass } = firewallWith({ answer: async () => ({ ...holding, refused }) });
    await firewall.ready(signal);
    pass(121_000);
    refused += Array.from({ length: 100 }, (_, n) => element(n + 1)).join('');
    await firewall.ready(signal);
    expect(fields).toContainEqual({ user: 'alice', place: '10.0.0.5:6379' });
    expect(fields.filter((field) => JSON.stringify(field).includes('6379'))).toHaveLength(1);
    expect(fields.at(-1)).toEqual({ more: 80 });
    expect(fields).toHaveLength(1 + 1 + 20 + 1);
  });

  it('of EGRESS=open is nothing to wait for twice, and not safe for strangers', async () => {
    const { firewall, asked, pass } = firewallWith({ egress: 'open' });
    await firewall.ready(signal);
    pass(1_000_000);
    await firewall.ready(signal);
    firewall.engineAnswers();
    expect(asked()).toBe(1);
    expect(firewall.check()).toMatchObject({ ok: false, hint: expect.stringContaining('EGRESS=internet') });
  });
});

describe('what the rules are made of', () => {
  it('name servers are those of a resolv.conf but for the loopback', () => {
    const text =
      '# x\nnameserver 192.168.1.1\n nameserver\t127.0.0.53\nnameserver fe80::1%eth0\nnameserver 192.168.1.1\nnameserver ::1\nnameserver what\nsearch lan\n';
    expect(nameServers(text)).toEqual([
      { family: 4, range: '192.168.1.1' },
      { family: 6, range: 'fe80::1' },
    ]);
  });

  it('refused places are read as nft shows them, of several versions', () => {
    const text =
      'elements = { "bo12" . 10.0.0.5 . tcp . 6379 timeout 1h expires 59m,\n\t"br-1" . 10.0.0.6 . 17 . 53 expires 1s }';
    expect(parseRefused(text)).toEqual([
      { bridge: 'bo12', address: '10.0.0.5', protocol: 'tcp', port: 6379 },
      { bridge: 'br-1', address: '10.0.0.6', protocol: '17', port: 53 },
    ]);
  });

  it('names are looked up, and keep their last addresses while that fails', async () => {
    const { logger, lines } = createRecordingLogger();
    let answer: readonly string[] | undefined = ['10.0.0.1'];
    const find = createFindAddresses(systemClock, logger, async () => {
      if (answer === undefined) throw new Error('ENOTFOUND');
      return answer.map((address) => ({ address, family: 4 }));
    });
    const places = [{ host: 'redis', port: 1 }, { host: 'fd00::/8' }];
    const fixed = { family: 6, range: 'fd00::/8' };
    expect(await find(places, signal)).toEqual([{ family: 4, range: '10.0.0.1', port: 1 }, fixed]);
    answer = undefined;
    for (let n = 0; n < 3; n += 1) {
      expect(await find(places, signal)).toEqual([{ family: 4, range: '10.0.0.1', port: 1 }, fixed]);
    }
    expect(lines).toHaveLength(1);
    answer = ['10.0.0.2'];
    expect((await find(places, signal)).map(({ range }) => range)).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::/8']);
  });
});
