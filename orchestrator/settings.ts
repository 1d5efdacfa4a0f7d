/** The orchestrator's settings: name, meaning, bounds and default of each environment variable. docs/CONFIGURATION.md is generated from them. */
import { BadValue, choice, custom, flag, integer, path, plainText, secretText } from '#common/env-config.ts';
import { parseFetchAllow } from '#common/fetch-policy.ts';
import { logLevels } from '#common/log.ts';
import { isLoopbackHost } from '#common/loopback.ts';
import { Secret } from '#common/secret.ts';
import { parseNatsUrl } from './events/nats/nats-url.ts';
import { parsePublicNames } from './server/admission/visitors.ts';
import { parseCorsOrigins } from './server/cors.ts';
import { parseTrustedProxies } from './server/port/addresses.ts';

/** 32 bytes as base64 or hex. */
function parseKey(value: string | undefined): Secret<Uint8Array> | undefined {
  if (value === undefined) return undefined;
  const key = /^[0-9a-fA-F]{64}$/.test(value) ? Buffer.from(value, 'hex') : Buffer.from(value, 'base64');
  if (key.length !== 32) throw new BadValue('must be 32 bytes as 64 hex digits or as base64');
  return new Secret<Uint8Array>(key);
}

/** As in Docker's -p: without an address the port is published on all of the host's. */
function parsePublishedAt(value: string | undefined): { readonly loopback: boolean } | undefined {
  if (value === undefined) return undefined;
  const [, host = ''] = /^(?:(.+):)?\d{1,5}$/.exec(value) ?? [];
  return { loopback: isLoopbackHost(host) };
}

/** MAX_KEPT_BOTS_PER_USER, unless twice MAX_BOTS_PER_USER is more. */
export const leastKeptBots = 100;
const keptBots = integer(
  {
    name: 'MAX_KEPT_BOTS_PER_USER',
    doc: 'How many bots a user may have in all: running, stopped, and deleted ones whose data is kept.',
    min: 1,
    max: 100_000,
    shownDefault: `${leastKeptBots}, or twice MAX_BOTS_PER_USER if that is more`,
  },
  leastKeptBots,
);

export const orchestratorVariables = {
  host: custom(
    {
      name: 'HOST',
      doc: 'Address to listen on. Any address other than loopback needs TLS, ALLOW_CLEARTEXT=1, or PUBLISHED_AT on loopback.',
      shownDefault: '127.0.0.1',
    },
    // An IPv6 address may stand in brackets, as in a URL.
    (value = '127.0.0.1') => value.replace(/^\[([^\]]*)\]$/, '$1'),
  ),
  port: integer({ name: 'PORT', doc: 'Port for everything: REST, Connect, gRPC, gRPC-Web.', min: 0, max: 65535 }, 8000),
  tlsCert: path({ name: 'TLS_CERT', doc: 'Path of the certificate chain, PEM.' }, undefined),
  tlsKey: path({ name: 'TLS_KEY', doc: 'Path of the private key, PEM.' }, undefined),
  allowCleartext: flag({
    name: 'ALLOW_CLEARTEXT',
    doc: '1 allows cleartext on other addresses than loopback, behind a proxy that terminates TLS.',
  }),
  publishedAt: custom(
    {
      name: 'PUBLISHED_AT',
      doc: 'In a container: where its port is published, as [ADDRESS:]PORT. If that is loopback, cleartext is allowed.',
      shownDefault: 'none',
    },
    parsePublishedAt,
  ),
  allowDevelopmentTokens: flag({
    name: 'ALLOW_DEVELOPMENT_TOKENS',
    doc: '1 allows the development tokens on other addresses than loopback, for a container whose port is published on loopback only.',
  }),
  dataDir: path(
    { name: 'DATA_DIR', doc: 'Folder for state; the orchestrator uses the subfolder orchestrator.' },
    './.data',
  ),
  clientToken: secretText({
    name: 'CLIENT_TOKEN',
    doc: 'Token of the first user, dev.',
    shownDefault: 'test-client-token on loopback, else required',
  }),
  adminToken: secretText({
    name: 'ADMIN_TOKEN',
    doc: 'Token with admin scope.',
    shownDefault: 'test-admin-token on loopback, else none',
  }),
  workerToken: secretText({
    name: 'WORKER_TOKEN',
    aliases: ['GLOBAL_WORKER_TOKEN'],
    doc: 'Join token of workers.',
    shownDefault: 'test-worker-token on loopback, else required',
  }),
  secretsKey: custom(
    {
      name: 'SECRETS_KEY',
      doc: 'Key that seals env and credentials at rest: 32 bytes, base64 or hex.',
      shownDefault: 'a 0600 key file in DATA_DIR',
    },
    parseKey,
  ),
  acceptLostKey: plainText(
    {
      name: 'ACCEPT_LOST_KEY',
      doc: "Continues without the store's former key: the id printed when the orchestrator refused to start. Valid once.",
    },
    undefined,
  ),
  acceptRestore: plainText(
    {
      name: 'ACCEPT_RESTORE',
      doc: 'Lets the waiting bots follow a store restored from a backup: the id printed in the log. Valid once.',
    },
    undefined,
  ),
  databaseUrl: custom(
    { name: 'DATABASE_URL', doc: 'Not supported yet: the store is SQLite in DATA_DIR.', shownDefault: 'none' },
    (value): undefined => {
      if (value !== undefined) throw new BadValue('is not supported yet: unset it to use SQLite in DATA_DIR');
      return undefined;
    },
  ),
  natsUrl: custom(
    {
      name: 'NATS_URL',
      doc: 'NATS servers to publish events to, separated by commas: nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT], or tls://.',
      shownDefault: 'none: events stay in the process',
    },
    (value) => {
      if (value === undefined) return undefined;
      const target = parseNatsUrl(value);
      if (target === undefined) throw new BadValue('must be nats:// or tls:// addresses, with the same login in each');
      return target;
    },
  ),
  maxBotsPerUser: integer(
    { name: 'MAX_BOTS_PER_USER', doc: 'How many running bots a user may have.', min: 0, max: 10_000 },
    3,
  ),
  maxKeptBotsPerUser: {
    ...keptBots,
    parse: (value: string | undefined) => (value === undefined ? undefined : keptBots.parse(value)),
  },
  maxSourceMbPerUser: integer(
    {
      name: 'MAX_SOURCE_MB_PER_USER',
      doc: 'How much the sources of a user may take in the store, in MiB; those that no bot of the user needs make room first.',
      min: 1,
      max: 1_048_576,
    },
    2048,
  ),
  maxJobMbPerUser: integer(
    {
      name: 'MAX_JOB_MB_PER_USER',
      doc: 'How much the jobs of a user may take in the store, in MiB; beyond that its oldest ended jobs are forgotten.',
      min: 1,
      max: 1_048_576,
    },
    64,
  ),
  maxRuntimeHours: integer(
    {
      name: 'MAX_RUNTIME_HOURS',
      doc: 'Hours after which a bot is stopped unless its user restarts it; a warning comes 10 minutes before. 0: never.',
      min: 0,
      max: 87_600,
    },
    0,
  ),
  maxMemoryMb: integer(
    { name: 'MAX_BOT_MEMORY_MB', doc: 'The most memory a bot may request, in MiB.', min: 16, max: 1_048_576 },
    2048,
  ),
  maxDiskMb: integer(
    {
      name: 'MAX_BOT_DISK_MB',
      doc: 'The most disk space a bot may request, in MiB: for /data and the volumes of its image.',
      min: 16,
      max: 16_777_216,
    },
    10_240,
  ),
  maxPids: integer(
    {
      name: 'MAX_BOT_PIDS',
      doc: 'The most processes and threads a bot may request.',
      min: 128,
      max: 4_194_304,
    },
    512,
  ),
  maxCpuMillis: integer(
    {
      name: 'MAX_BOT_CPU_MILLIS',
      doc: 'The most CPU a bot may request, in thousandths of a core.',
      min: 10,
      max: 1_000_000,
    },
    2000,
  ),
  fetchAllow: custom(
    {
      name: 'FETCH_ALLOW',
      doc: 'Private HOST:PORT addresses from which sources may be fetched nevertheless, separated by commas.',
      shownDefault: 'none',
    },
    (value) => {
      const allow = parseFetchAllow(value ?? '');
      if (allow === undefined) throw new BadValue('must be a list of HOST:PORT separated by commas');
      return allow;
    },
  ),
  eventsKeepDays: integer(
    { name: 'EVENTS_KEEP_DAYS', doc: 'How many days events are kept for resuming.', min: 1, max: 365 },
    7,
  ),
  eventsKeepMax: integer(
    {
      name: 'EVENTS_KEEP_MAX',
      doc: 'How many events are kept at most; the oldest go first.',
      min: 1_000,
      max: 10_000_000,
    },
    100_000,
  ),
  jobsKeepDays: integer(
    { name: 'JOBS_KEEP_DAYS', doc: 'How many days jobs are kept after they have ended.', min: 1, max: 3_650 },
    30,
  ),
  corsOrigins: custom(
    {
      name: 'CORS_ORIGINS',
      doc: 'Origins of web pages that may call the API, such as https://app.example, separated by commas; * for all.',
      shownDefault: 'none',
    },
    (value) => {
      const origins = parseCorsOrigins(value ?? '');
      if (origins === undefined) throw new BadValue('must be origins such as https://app.example, or *');
      return origins;
    },
  ),
  publicNames: custom(
    {
      name: 'PUBLIC_NAME',
      doc: 'Host names by which the API may be called, separated by commas, without a scheme or port. On loopback they are added to its own names; elsewhere any name is taken until this is set. With it, the development tokens are refused.',
      shownDefault: 'none',
    },
    (value) => {
      const names = parsePublicNames(value ?? '');
      if (names === undefined)
        throw new BadValue('must be host names such as bots.example.org, without a scheme or port');
      return names;
    },
  ),
  trustedProxies: custom(
    {
      name: 'TRUSTED_PROXIES',
      doc: 'Addresses and blocks, such as 127.0.0.1,10.0.0.0/8, of proxies whose X-Forwarded-For or PROXY protocol is believed.',
      shownDefault: 'none',
    },
    (value) => {
      const isProxy = parseTrustedProxies(value ?? '');
      if (isProxy === undefined) throw new BadValue('must be addresses or blocks such as 127.0.0.1 or 10.0.0.0/8');
      return { isProxy, isSet: value !== undefined };
    },
  ),
  maxConnections: integer(
    {
      name: 'MAX_CONNECTIONS',
      doc: 'How many connections there may be at once; the last twentieth is kept for the admin token, workers and health checks.',
      min: 64,
      max: 1_000_000,
      shownDefault: '20000, or what the limit of open files allows',
    },
    0,
  ),
  requestsPerSecond: integer(
    {
      name: 'REQUESTS_PER_SECOND',
      doc: 'How many requests a second one user may make, over time; twice as many at once.',
      min: 1,
      max: 1_000_000,
      shownDefault: '5000, with STRANGERS=1 100',
    },
    0,
  ),
  strangers: flag({
    name: 'STRANGERS',
    doc: '1 for users you do not know: bots are started only while every safety check holds, here and on the worker; the development tokens are refused, and each user may make fewer requests.',
  }),
  logLevel: choice({ name: 'LOG_LEVEL', doc: 'Lowest severity that is logged.' }, logLevels, 'info'),
};
