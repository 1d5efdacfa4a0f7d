/**
 * Proves what bots reach, from a container that is as a bot's and in a network as a bot's: it tries the host, the neighbours,
 * the metadata service, and what else must not be reached, and one place that must. It trusts no rule and reads none.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Secret } from '#common/secret.ts';
import type { BaseImages } from '../../../images/build-settings.ts';
import type { SafetyCheck } from '../../safety.ts';
import { list, record, text } from '../answers.ts';
import { containerOptions } from '../container-options.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasImage } from '../images.ts';
import type { BotNetworks } from '../network.ts';
import { removeLeftovers, runShortly } from '../short-run.ts';
import type { FindAddresses } from './addresses.ts';
import { type Destination, type Place, placeText } from './places.ts';
import { listenCommand, listenerPort, type ProbeOutcome, probeCommand, probeOutcomes } from './probe-program.ts';
import { neighbour, prober } from './probers.ts';

/** Reached by every bot, unless the operator names another. */
export const botApi: Place = { host: 'api.telegram.org', port: 443 };

export interface ProveDeps {
  readonly engine: EngineClient;
  readonly networks: BotNetworks;
  readonly workerId: string;
  readonly baseImages: BaseImages;
  readonly findAddresses: FindAddresses;
  /** Has to be reached: the Bot API. */
  readonly reached: Place;
  /** Must not be reached. */
  readonly orchestrators: readonly Place[];
  /** True for one who tries again soon: the networks stay. */
  readonly keepsNetworks?: boolean;
}

/** One place that was tried. */
export interface Probe extends Omit<SafetyCheck, 'name'> {
  readonly name: string;
  readonly place: string;
  readonly outcome: ProbeOutcome;
}

interface Target {
  readonly name: string;
  readonly place: string;
  /** What it is, for people. */
  readonly what: string;
  readonly mustBeReached?: boolean;
}

const runMs = 60_000;
const removalMs = 30_000;
/** Of the containers; the value is the worker. */
const doctorLabel = 'bot_runner.doctor';
const interfacesMax = 6;

/** Throws a plain Error when there is no image to try with, or EngineRefusal when the engine makes no such container. */
export async function proveEgress(deps: ProveDeps, signal: AbortSignal): Promise<readonly Probe[]> {
  const { engine, networks } = deps;
  const image = await probeImage(deps, signal);
  // Of an examination that was killed; its listeners end by themselves.
  const left = { label: [`${doctorLabel}=${deps.workerId}`], status: ['exited', 'dead'] };
  await removeLeftovers(engine, left, signal);
  const network = await networks.ensure(prober, 'bots', signal);
  const other = await networks.ensure(neighbour, 'bots', signal);
  const open = createServer((socket) => socket.on('error', () => socket.destroy()).end());
  const made: string[] = [];
  try {
    open.listen(0, '0.0.0.0');
    await once(open, 'listening');
    // A TCP server that listens has an AddressInfo.
    const { port } = open.address() as AddressInfo;
    const neighbours: Target[] = [];
    for (const [name, where, what] of [
      ['same-user', network, 'another bot of the same user'],
      ['other-user', other, 'a bot of another user'],
    ] as const) {
      const address = await startListener(deps, image, where, made, signal);
      neighbours.push({ name, what, place: `${address}:${listenerPort}` });
    }
    const targets = [...neighbours, ...(await targetsOf(deps, network, port, signal))];
    const places = Object.fromEntries(targets.map(({ name, place }) => [name, place]));
    const body = asBot(deps, image.name, network, probeCommand(image.language, places));
    const { code, output } = await runShortly(engine, { body, timeoutMs: runMs }, signal);
    if (code !== 0) throw new Error(`the probe container ended with code ${code}: ${output.trim().slice(-300)}`);
    const found = probeOutcomes(output);
    return targets.map((target) => {
      const outcome = found.get(target.name);
      if (outcome === undefined) throw new Error(`the probe container did not say what came of ${target.place}`);
      return judged(target, outcome);
    });
  } finally {
    open.close();
    await tidyUp(deps, made);
  }
}

function judged({ name, what, place, mustBeReached = false }: Target, outcome: ProbeOutcome): Probe {
  const ok = (outcome === 'reached') === mustBeReached;
  const message = `${what} (${place}) ${outcome === 'reached' ? 'is reached' : outcome === 'refused' ? 'is refused' : 'does not answer'}`;
  const hint = mustBeReached
    ? 'Bots cannot work without it. The log of the worker says what it refused; the host may have a firewall of its own.'
    : 'See "Firewall" in docs/SECURITY.md.';
  return { name, place, outcome, ok, message, ...(!ok && { hint }) };
}

async function targetsOf(
  { engine, findAddresses, reached, orchestrators }: ProveDeps,
  network: string,
  port: number,
  signal: AbortSignal,
): Promise<readonly Target[]> {
  const facts = record(await engine.call({ method: 'GET', path: `/networks/${network}` }, signal));
  const gateway = text(record(list(record(facts['IPAM'])['Config'])[0])['Gateway']);
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .slice(0, interfacesMax);
  const addressOf = async (place: Place) => (await findAddresses([place], signal)).find(({ family }) => family === 4);
  const api = await addressOf(reached);
  const fixed = await Promise.all(orchestrators.map(addressOf));
  const at = ({ range }: Destination, onPort: number) => `${range}:${onPort}`;
  return [
    { name: 'gateway', what: 'the host, as the gateway of the bots', place: `${gateway}:${port}` },
    { name: 'gateway-ssh', what: 'SSH of the host', place: `${gateway}:22` },
    ...own.map(({ address }, n) => ({ name: `own-${n}`, what: 'the worker', place: `${address}:${port}` })),
    { name: 'metadata', what: 'the metadata service of a cloud', place: '169.254.169.254:80' },
    ...fixed.flatMap((to, n) =>
      // On loopback it is a bot's own.
      to === undefined || to.range.startsWith('127.')
        ? []
        : [{ name: `orchestrator-${n}`, what: 'the orchestrator', place: at(to, to.port ?? 443) }],
    ),
    ...(api === undefined
      ? []
      : [
          { name: 'smtp', what: 'a mail server', place: at(api, 25) },
          { name: 'dns', what: 'a name server other than that of the engine', place: at(api, 53) },
        ]),
    {
      name: 'bot-api',
      what: 'the Telegram Bot API',
      place: api === undefined ? placeText(reached) : at(api, reached.port ?? 443),
      mustBeReached: true,
    },
  ];
}

interface ProbeImage {
  readonly name: string;
  readonly language: 'python' | 'node';
}

async function probeImage({ engine, baseImages }: ProveDeps, signal: AbortSignal): Promise<ProbeImage> {
  for (const language of ['python', 'node'] as const) {
    const name = baseImages[language];
    if (await hasImage(engine, name, signal)) return { name, language };
  }
  throw new Error(`the engine has neither ${baseImages.python} nor ${baseImages.node} to try with: docker pull one`);
}

/** With every limit that a bot has, and nothing of a bot's: no data, no name, no label that a worker knows it by. */
function asBot({ workerId }: ProveDeps, image: string, network: string, command: readonly string[]) {
  const plan = {
    key: { userId: prober, botId: 'probe' },
    workerId,
    revision: 0n,
    epoch: 0n,
    name: 'probe',
    image,
    run: { kind: 'simple', language: 'python', entrypoint: 'probe' } as const,
    env: new Secret({}),
    memoryBytes: 128 * 1024 * 1024,
    cpuMillis: 1000,
  };
  const { HostConfig, ...options } = containerOptions(plan, {}, network);
  return {
    ...options,
    Env: [],
    Cmd: command.slice(1),
    Entrypoint: command.slice(0, 1),
    WorkingDir: '/',
    Labels: { [doctorLabel]: workerId },
    HostConfig: { ...HostConfig, Mounts: [] },
  };
}

/** Its address. */
async function startListener(
  deps: ProveDeps,
  { name, language }: ProbeImage,
  network: string,
  made: string[],
  signal: AbortSignal,
): Promise<string> {
  const { engine } = deps;
  const body = asBot(deps, name, network, listenCommand(language));
  const id = text(record(await engine.call({ method: 'POST', path: '/containers/create', body }, signal))['Id']);
  made.push(id);
  await engine.call({ method: 'POST', path: `/containers/${id}/start` }, signal);
  const facts = record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal));
  const networks = record(record(facts['NetworkSettings'])['Networks']);
  return text(record(networks[network])['IPAddress']);
}

async function tidyUp({ engine, networks, keepsNetworks }: ProveDeps, made: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(removalMs);
  const query = { force: true, v: true };
  for (const id of made) {
    await engine.call({ method: 'DELETE', path: `/containers/${id}`, query, slow: true }, signal);
  }
  if (keepsNetworks) return;
  for (const user of [prober, neighbour]) await networks.left(user, signal);
}
