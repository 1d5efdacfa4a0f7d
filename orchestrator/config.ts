/** What the orchestrator makes of its settings: the values that its parts use, and the combinations that are refused. */
import { join } from 'node:path';
import { developmentTokens, isDevelopmentToken } from '#common/development-tokens.ts';
import { ConfigError, type ConfigOf, readConfig } from '#common/env-config.ts';
import { isLoopbackHost } from '#common/loopback.ts';
import { Secret } from '#common/secret.ts';
import type { NatsTarget } from './events/nats/nats-url.ts';
import type { CorsOrigins } from './server/cors.ts';
import type { IsProxy } from './server/port/addresses.ts';
import { mostConnections } from './server/port/most-connections.ts';
import { leastKeptBots, orchestratorVariables } from './settings.ts';
import type { Retention } from './store/pruning.ts';

const dayMs = 24 * 60 * 60 * 1000;

type RawConfig = ConfigOf<typeof orchestratorVariables>;

/** Settings with every default filled in and the combinations checked. */
export interface OrchestratorConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certPath: string; readonly keyPath: string } | undefined;
  /** The orchestrator's own folder within DATA_DIR, absolute. */
  readonly dir: string;
  readonly clientToken: Secret;
  readonly adminToken: Secret | undefined;
  readonly workerToken: Secret;
  readonly secretsKey: Secret<Uint8Array> | undefined;
  /** The ids that refusals printed; usually undefined. */
  readonly acceptLostKey: string | undefined;
  readonly acceptRestore: string | undefined;
  readonly maxBotsPerUser: number;
  readonly maxKeptBotsPerUser: number;
  readonly maxSourceBytesPerUser: number;
  readonly maxJobBytesPerUser: number;
  /** 0: without an end. */
  readonly maxRuntimeMs: number;
  readonly maxMemoryBytes: number;
  readonly maxCpuMillis: number;
  readonly maxDiskBytes: number;
  readonly maxPids: number;
  readonly fetchAllow: readonly string[];
  readonly retention: Omit<Retention, 'jobBytesOf'>;
  readonly nats: NatsTarget | undefined;
  readonly corsOrigins: CorsOrigins;
  /** Whether only this machine can reach the port, as far as the settings say. */
  readonly loopback: boolean;
  /** Whether one of the tokens is one that everybody knows. */
  readonly developmentTokens: boolean;
  readonly publicNames: readonly string[];
  readonly isProxy: IsProxy;
  readonly hasTrustedProxies: boolean;
  readonly maxConnections: number;
  /** Of one user. */
  readonly requestsPerSecond: number;
  /** Users are people that the operator does not know: see docs/SECURITY.md. */
  readonly strangers: boolean;
  readonly logLevel: RawConfig['logLevel'];
}

/** Throws ConfigError with all mistakes, among them unsafe combinations. */
export function readOrchestratorConfig(env: NodeJS.ProcessEnv): OrchestratorConfig {
  const raw = readConfig(orchestratorVariables, env);
  const loopback = isLoopbackHost(raw.host);
  const mistakes: string[] = [];
  if ((raw.tlsCert === undefined) !== (raw.tlsKey === undefined)) {
    mistakes.push('TLS_CERT and TLS_KEY must be set together');
  }
  const tls =
    raw.tlsCert !== undefined && raw.tlsKey !== undefined ? { certPath: raw.tlsCert, keyPath: raw.tlsKey } : undefined;
  if (!loopback && tls === undefined && !raw.allowCleartext && raw.publishedAt?.loopback !== true) {
    mistakes.push(
      `HOST ${raw.host} is not loopback: set TLS_CERT and TLS_KEY, or ALLOW_CLEARTEXT=1 behind a TLS proxy`,
    );
  }
  // Whoever sets these means others than the one who sits at the machine.
  const [open] = [
    ...(loopback ? [] : ['HOST is not loopback']),
    ...(raw.publicNames.length > 0 ? ['PUBLIC_NAME is set'] : []),
    ...(raw.strangers ? ['STRANGERS is 1'] : []),
  ];
  const areAllowed = raw.allowDevelopmentTokens && !raw.strangers && raw.publicNames.length === 0;
  const refuseDevelopment = (name: string, token: Secret | undefined): void => {
    if (open === undefined || areAllowed || token === undefined) return;
    if (isDevelopmentToken(token.reveal())) {
      mistakes.push(
        `${name} is a development token, which everybody knows, and ${loopback ? open : `HOST ${raw.host} is not loopback`}: set a token of your own; sh scripts/make-tokens.sh generates them`,
      );
    }
  };
  const development = (name: 'CLIENT_TOKEN' | 'WORKER_TOKEN', token: Secret | undefined): Secret => {
    if (token === undefined && open !== undefined) mistakes.push(`${name} must be set when ${open}`);
    refuseDevelopment(name, token);
    return token ?? new Secret(developmentTokens[name]);
  };
  refuseDevelopment('ADMIN_TOKEN', raw.adminToken);
  const clientToken = development('CLIENT_TOKEN', raw.clientToken);
  const workerToken = development('WORKER_TOKEN', raw.workerToken);
  const adminToken = raw.adminToken ?? (open === undefined ? new Secret(developmentTokens.ADMIN_TOKEN) : undefined);
  const tokens = [clientToken, workerToken, ...(adminToken ? [adminToken] : [])].map((token) => token.reveal());
  const config: OrchestratorConfig = {
    host: raw.host,
    port: raw.port,
    tls,
    dir: join(raw.dataDir, 'orchestrator'),
    clientToken,
    adminToken,
    workerToken,
    secretsKey: raw.secretsKey,
    acceptLostKey: raw.acceptLostKey,
    acceptRestore: raw.acceptRestore,
    maxBotsPerUser: raw.maxBotsPerUser,
    maxKeptBotsPerUser: raw.maxKeptBotsPerUser ?? Math.max(leastKeptBots, 2 * raw.maxBotsPerUser),
    maxSourceBytesPerUser: raw.maxSourceMbPerUser * 1024 * 1024,
    maxJobBytesPerUser: raw.maxJobMbPerUser * 1024 * 1024,
    maxRuntimeMs: raw.maxRuntimeHours * 3_600_000,
    maxMemoryBytes: raw.maxMemoryMb * 1024 * 1024,
    maxCpuMillis: raw.maxCpuMillis,
    maxDiskBytes: raw.maxDiskMb * 1024 * 1024,
    maxPids: raw.maxPids,
    fetchAllow: raw.fetchAllow,
    retention: {
      eventsMs: raw.eventsKeepDays * dayMs,
      eventsMax: raw.eventsKeepMax,
      jobsMs: raw.jobsKeepDays * dayMs,
    },
    nats: raw.natsUrl,
    corsOrigins: raw.corsOrigins,
    loopback,
    developmentTokens: tokens.some(isDevelopmentToken),
    publicNames: raw.publicNames,
    isProxy: raw.trustedProxies.isProxy,
    hasTrustedProxies: raw.trustedProxies.isSet,
    maxConnections: raw.maxConnections || mostConnections(),
    requestsPerSecond: raw.requestsPerSecond || (raw.strangers ? 100 : 5_000),
    strangers: raw.strangers,
    logLevel: raw.logLevel,
  };
  if (new Set(tokens).size < tokens.length) {
    mistakes.push('CLIENT_TOKEN, ADMIN_TOKEN and WORKER_TOKEN must differ');
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return config;
}
