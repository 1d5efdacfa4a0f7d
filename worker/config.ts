/** The worker's settings, from environment variables. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { developmentTokens } from '#common/development-tokens.ts';
import {
  BadValue,
  byteSize,
  ConfigError,
  type ConfigOf,
  choice,
  custom,
  flag,
  path,
  plainText,
  readConfig,
  secretText,
} from '#common/env-config.ts';
import { logLevels } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { builderVariables, parseImage } from './builder-variables.ts';
import type { DiskMode } from './runtime/docker/disk/disk.ts';
import { dockerHostRule, parseDockerHost } from './runtime/docker/docker-host.ts';
import {
  defaultEndpoint,
  parseAllow,
  parseCpu,
  parseDiskMode,
  parseEgressSetting,
  parseEndpoints,
  parseLogAge,
  parseMirror,
  parseNetwork,
  parseProxy,
  parsePublicUrl,
  parseRuntimeClass,
  parseSocketPath,
  parseSubnets,
  parseWorkerId,
  parseWorkerLabels,
} from './setting-values.ts';

const leastUserLogBytes = 1024 ** 3;
const userLogSize = byteSize(
  {
    name: 'USER_LOG_MAX_SIZE',
    doc: 'What the logs of all bots of one user may take together on this worker: a number with k, m or g. Those of bots that do not run make room first.',
    min: '4m',
    max: '16384g',
    shownDefault: '1g, or four times BOT_LOG_MAX_SIZE if that is more',
  },
  '1g',
);

export const workerVariables = {
  orchestrators: custom(
    {
      name: 'ORCHESTRATOR_URL',
      doc: 'Address of the orchestrator; several, separated by commas, are tried in turn.',
      shownDefault: defaultEndpoint,
    },
    parseEndpoints,
  ),
  workerId: custom(
    {
      name: 'WORKER_ID',
      doc: 'Name of this worker: 1 to 64 letters, digits, ".", "_" or "-", not beginning with a dot.',
      shownDefault: 'host name and a short id, kept in DATA_DIR',
    },
    parseWorkerId,
  ),
  workerToken: secretText({
    name: 'WORKER_TOKEN',
    aliases: ['GLOBAL_WORKER_TOKEN'],
    doc: 'Join token: admits the worker the first time. From then on it uses its own credential, kept in DATA_DIR.',
    shownDefault: 'test-worker-token for an orchestrator on loopback, else required',
  }),
  labels: custom(
    {
      name: 'WORKER_LABELS',
      doc: 'Labels that users can request with --on: key=value, several separated by commas.',
      shownDefault: 'none',
    },
    parseWorkerLabels,
  ),
  runtime: choice(
    { name: 'RUNTIME', doc: 'What runs bots: docker, or process, which does not isolate them.' },
    ['docker', 'process'],
    'docker',
  ),
  dockerHost: plainText(
    {
      name: 'DOCKER_HOST',
      doc: 'Address of the Docker engine: unix:///PATH, or tcp://127.0.0.1:PORT for an engine on this machine.',
      shownDefault: "the engine's default socket",
    },
    undefined,
  ),
  dockerNetwork: custom(
    {
      name: 'DOCKER_NETWORK',
      doc: 'What the names of the networks of bots and builds begin with: each user has two. Created when needed.',
      shownDefault: 'bot_runner_network',
    },
    parseNetwork,
  ),
  botSubnets: custom(
    {
      name: 'BOT_SUBNETS',
      doc: 'Private range that the addresses of these networks come from, and how large each is: ADDRESS/BITS:SIZE. The default is enough for 256 networks of 253 bots.',
      shownDefault: '10.217.0.0/16:24',
    },
    parseSubnets,
  ),
  egress: custom(
    {
      name: 'EGRESS',
      doc: 'Where bots and builds may connect to: internet (public addresses, no mail servers), open (whatever the host can reach), or allow: and a list of HOST, HOST:PORT or ADDRESS/BITS, separated by commas; "internet" may be in the list.',
      shownDefault: 'internet where the worker can make the firewall, else open',
    },
    parseEgressSetting,
  ),
  runtimeClass: custom(
    {
      name: 'RUNTIME_CLASS',
      doc: "Runtime of the engine that runs bots, by its name in the engine's daemon.json: for example runsc (gVisor) or a Kata runtime.",
      shownDefault: "the engine's default",
    },
    parseRuntimeClass,
  ),
  baseImage: custom(
    { name: 'BASE_IMAGE', doc: 'Base image of Python bots in simple mode.', shownDefault: 'python:3.11-slim' },
    (value) => parseImage(value, 'python:3.11-slim'),
  ),
  nodeBaseImage: custom(
    { name: 'NODE_BASE_IMAGE', doc: 'Base image of Node.js bots in simple mode.', shownDefault: 'node:24-slim' },
    (value) => parseImage(value, 'node:24-slim'),
  ),
  pipIndexUrl: custom(
    {
      name: 'PIP_INDEX_URL',
      doc: 'Package index for pip in builds, without user name and password. Dockerfiles get it if they declare ARG PIP_INDEX_URL.',
      shownDefault: 'none',
    },
    parsePublicUrl,
  ),
  npmRegistry: custom(
    {
      name: 'NPM_CONFIG_REGISTRY',
      doc: 'Registry for npm in builds, without user name and password. Dockerfiles get it if they declare ARG NPM_CONFIG_REGISTRY.',
      shownDefault: 'none',
    },
    parsePublicUrl,
  ),
  ...builderVariables,
  registryMirror: custom(
    {
      name: 'REGISTRY_MIRROR',
      doc: 'Mirror to pull Docker Hub images from, base images included: HOST[:PORT][/PREFIX]. It must not need a password; whether it may do without TLS is up to the engine.',
      shownDefault: 'none',
    },
    parseMirror,
  ),
  httpsProxy: custom(
    {
      name: 'HTTPS_PROXY',
      doc: 'Proxy for builds, which get it without its user name and password. Fetching sources and pulling images does not use it: the engine has its own proxy setting.',
      shownDefault: 'none',
    },
    parseProxy,
  ),
  noProxy: plainText(
    {
      name: 'NO_PROXY',
      doc: 'Hosts that builds reach without HTTPS_PROXY, separated by commas.',
      shownDefault: 'none',
    },
    undefined,
  ),
  fetchAllow: custom(
    {
      name: 'FETCH_ALLOW',
      doc: 'Private HOST:PORT addresses from which sources and images may be fetched nevertheless, separated by commas.',
      shownDefault: 'none',
    },
    parseAllow,
  ),
  memoryBytes: byteSize(
    {
      name: 'CONTAINER_MEMORY_LIMIT',
      doc: 'Memory of a bot that requests none: a number with k, m or g.',
      min: '16m',
      max: '1024g',
    },
    '256m',
  ),
  cpuMillis: custom(
    { name: 'CONTAINER_CPU_LIMIT', doc: 'CPU of a bot that requests none, in cores.', shownDefault: '0.5' },
    parseCpu,
  ),
  diskLimits: custom(
    {
      name: 'DISK_LIMITS',
      doc: 'What limits the disk space of bots: watch (what they write is measured, and a bot that has written too much is stopped), sized (in addition, /data is a file system of fixed size), or off.',
      shownDefault: 'sized with STRANGERS=1, else watch',
    },
    parseDiskMode,
  ),
  diskBytes: byteSize(
    {
      name: 'BOT_DISK_LIMIT',
      doc: 'What a bot that requests nothing may keep in /data and the volumes of its image: a number with k, m or g.',
      min: '16m',
      max: '16384g',
    },
    '1g',
  ),
  layerBytes: byteSize(
    {
      name: 'BOT_LAYER_LIMIT',
      doc: 'What a bot may write elsewhere in its container, /tmp included: a number with k, m or g.',
      min: '16m',
      max: '16384g',
    },
    '1g',
  ),
  imageBytes: byteSize(
    {
      name: 'IMAGE_LIMIT',
      doc: 'The largest image that is built or pulled: a number with k, m or g.',
      min: '16m',
      max: '16384g',
    },
    '10g',
  ),
  reserveBytes: byteSize(
    {
      name: 'ENGINE_DISK_RESERVE',
      doc: "With less free on the engine's disk, nothing is built, pulled or started: a number with k, m or g.",
      min: '0m',
      max: '16384g',
    },
    '1g',
  ),
  botLogMaxBytes: byteSize(
    {
      name: 'BOT_LOG_MAX_SIZE',
      doc: "Approximate size to which a bot's log is kept: a number with k, m or g. The oldest lines go first.",
      min: '2m',
      max: '1024g',
    },
    '50m',
  ),
  userLogMaxBytes: {
    ...userLogSize,
    parse: (value: string | undefined) => (value === undefined ? undefined : userLogSize.parse(value)),
  },
  botLogMaxAgeMs: custom(
    { name: 'BOT_LOG_MAX_AGE', doc: 'How long log lines are kept: a number with h or d.', shownDefault: '7d' },
    parseLogAge,
  ),
  telegramApiBase: custom(
    {
      name: 'TELEGRAM_API_BASE',
      doc: 'Base URL of the Telegram Bot API; passed to bots that do not set it themselves.',
      shownDefault: 'none',
    },
    parsePublicUrl,
  ),
  healthSocket: custom(
    {
      name: 'HEALTH_SOCKET',
      doc: "Path of a socket on which worker/health-check.ts asks for the worker's health.",
      shownDefault: 'none',
    },
    parseSocketPath,
  ),
  telegramPreflight: custom(
    {
      name: 'TELEGRAM_PREFLIGHT',
      doc: "1 checks a bot's token with Telegram before each start, 0 never does. If Telegram cannot be reached, that is only a warning.",
      shownDefault: '1 with TELEGRAM_API_BASE, else 0',
    },
    (value) => {
      if (value !== undefined && value !== '0' && value !== '1') throw new BadValue('must be 1 or 0');
      return value === undefined ? undefined : value === '1';
    },
  ),
  strangers: flag({
    name: 'STRANGERS',
    doc: '1 for users you do not know: no container is made for a bot while one of the safety checks of this worker fails.',
  }),
  dataDir: path({ name: 'DATA_DIR', doc: 'Folder for state; the worker uses the subfolder worker.' }, './.data'),
  logLevel: choice({ name: 'LOG_LEVEL', doc: 'Lowest severity that is logged.' }, logLevels, 'info'),
};

type RawConfig = ConfigOf<typeof workerVariables>;

/** Settings with every default filled in and the combinations checked. */
export interface WorkerConfig extends Omit<RawConfig, 'workerToken' | 'dataDir' | 'diskLimits' | 'userLogMaxBytes'> {
  /** USER_LOG_MAX_SIZE with its default. */
  readonly userLogMaxBytes: number;
  readonly workerToken: Secret;
  /** The worker's own folder within DATA_DIR, absolute. */
  readonly dir: string;
  /** DISK_LIMITS with its default. */
  readonly diskMode: DiskMode;
  /** How many images are made at once: one for every two cores, and two at least. */
  readonly buildSlots: number;
}

/** Throws ConfigError with all mistakes. */
export function readWorkerConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const { workerToken, dataDir, diskLimits, ...raw } = readConfig(workerVariables, env);
  // Other programs use DOCKER_HOST too, so one that the process runtime cannot use is not a mistake.
  if (raw.runtime === 'docker' && raw.dockerHost !== undefined && parseDockerHost(raw.dockerHost) === undefined) {
    throw new ConfigError([`DOCKER_HOST ${dockerHostRule}`]);
  }
  if (workerToken === undefined && !raw.orchestrators.every(({ loopback }) => loopback)) {
    throw new ConfigError(['WORKER_TOKEN must be set when ORCHESTRATOR_URL is not on this machine']);
  }
  return {
    ...raw,
    userLogMaxBytes: raw.userLogMaxBytes ?? Math.max(leastUserLogBytes, 4 * raw.botLogMaxBytes),
    workerToken: workerToken ?? new Secret(developmentTokens.WORKER_TOKEN),
    dir: join(dataDir, 'worker'),
    // /data of strangers' bots is not only measured.
    diskMode: diskLimits ?? (raw.strangers ? 'sized' : 'watch'),
    // Two at least: of one, nothing could be kept free for others.
    buildSlots: Math.max(2, Math.floor(availableParallelism() / 2)),
  };
}
