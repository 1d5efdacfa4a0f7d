/**
 * Calls to the Docker Engine API. The only file that knows dockerode; the rest of docker/ names paths and parameters as
 * https://docs.docker.com/reference/api/engine/version/v1.41/ does.
 *
 * 1. Every call ends: short ones after 30 s, streams by their signal. docker-modem alone would wait forever for an answer
 *    whose connection broke in the middle.
 * 2. Short calls share a few sockets. Streams and slow calls have their own: followers of many logs must not keep a stop
 *    waiting.
 * 3. An ended wait says nothing about the effect: the engine continues with what it was asked (contract, point 5).
 */

import { Agent, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { refuse } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { EngineUnavailableError } from '../container-runtime.ts';
import { type EngineKind, engineKind } from './build-query.ts';
import { dockerHostRule, type EngineSocket, parseDockerHost } from './docker-host.ts';
import { sortedError } from './engine-errors.ts';
import { openRaw } from './raw-answer.ts';

export type QueryValue = string | number | boolean | readonly string[] | { readonly [key: string]: unknown };
export type Query = Readonly<Record<string, QueryValue | undefined>>;

export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Without the version, for example /containers/json. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  /** The engine takes its time on purpose: the call gets a socket of its own. */
  readonly slow?: boolean;
}

export interface EngineStream {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly query?: Query;
  /** Sent as the body. */
  readonly upload?: Readable;
  /** Sent as X-Registry-Auth, which never is part of an error. */
  readonly registryAuth?: Readonly<Record<string, string>> | undefined;
  /** The answer is one of very many small chunks: it is read past node:http (raw-answer.ts). A GET without anything but a query. */
  readonly raw?: boolean;
}

export interface EngineClient {
  /** Which engine it is, by its own word. */
  kind(signal: AbortSignal): Promise<EngineKind>;
  /** The N of the API's version 1.N that it is spoken to in. */
  api(signal: AbortSignal): Promise<number>;
  /** The parsed JSON of the answer; null without a body. 304 counts as done. Throws EngineRefusal, EngineUnavailableError. */
  call(call: EngineCall, signal: AbortSignal): Promise<unknown>;
  /** The answer as it comes, until its end, the signal or `destroy()`. */
  stream(stream: EngineStream, signal: AbortSignal): Promise<Readable>;
}

/** Whether it is Docker 20.10, which runs a process of itself to copy anything into or out of a container: 40 ms and more. */
export const startsItselfToCopy = async (
  engine: Pick<EngineClient, 'kind' | 'api'>,
  signal: AbortSignal,
): Promise<boolean> => (await engine.api(signal)) <= 41 && (await engine.kind(signal)) === 'docker';

/** The API versions that this code was tested with. */
const apiMin = '1.41';
const apiMax = '1.51';

const callTimeoutMs = 30_000;
const shortSockets = 8;

/** The largest version both sides know, or undefined. Versions are 1.N; the parts are numbers, not fractions. */
export function negotiate(engineMin: string, engineMax: string): string | undefined {
  const minor = (version: string): number => Number(/^1\.(\d+)$/.exec(version)?.[1] ?? Number.NaN);
  const chosen = Math.min(minor(engineMax), minor(apiMax));
  return chosen >= Math.max(minor(engineMin), minor(apiMin)) ? `1.${chosen}` : undefined;
}

type Modem = Pick<Docker['modem'], 'dial'>;

interface Connection {
  readonly kind: EngineKind;
  readonly api: number;
  readonly short: Modem;
  readonly long: Modem;
}

export function createEngineClient(dockerHost: string): EngineClient {
  const address = parseDockerHost(dockerHost);
  if (address === undefined) throw new Error(`DOCKER_HOST ${dockerHostRule}`);
  return engineClientOver({
    address,
    shortAgent: new Agent({ keepAlive: false, maxSockets: shortSockets }),
    longAgent: new Agent({ keepAlive: false }),
    raw: (api, stream, signal) => openRaw(address, targetOf(api, stream), signal),
  });
}

/** How an engine is reached. */
export interface EngineReach {
  readonly address: EngineSocket;
  /** For short calls. */
  readonly shortAgent: Agent;
  /** For streams and slow calls. */
  readonly longAgent: Agent;
  /** Opens the streams that are asked for as `raw`; they are read as all others unless given. */
  readonly raw?: (api: number, stream: EngineStream, signal: AbortSignal) => Promise<Readable>;
}

export function engineClientOver({ address, raw, ...agents }: EngineReach): EngineClient {
  const shortAgent = withoutInspection(agents.shortAgent);
  const longAgent = withoutInspection(agents.longAgent);
  const modem = (agent: Agent, version?: string): Modem => {
    // Every field is given, since dockerode fills in absent ones from this process's environment.
    const options: Docker.DockerOptions & { agent: Agent } = {
      socketPath: undefined,
      host: undefined,
      port: undefined,
      protocol: 'http',
      version: version === undefined ? undefined : `v${version}`,
      agent,
      ...address,
    };
    return new Docker(options).modem;
  };

  let connection: Promise<Connection> | undefined;
  const connect = async (signal: AbortSignal): Promise<Connection> => {
    const call: EngineCall = { method: 'GET', path: '/version' };
    const answer = await bounded(call, signal, callTimeoutMs, (limit) => dial(modem(shortAgent), call, limit));
    const version = versionOf(answer);
    const api = Number(version.split('.')[1]);
    return { kind: engineKind(answer), api, short: modem(shortAgent, version), long: modem(longAgent, version) };
  };
  const connected = async (signal: AbortSignal): Promise<Connection> => {
    // Not shared while it is being made: one caller's abort must not fail another one.
    const made = connection ?? connect(signal);
    const result = await made;
    connection = made;
    return result;
  };
  /** The engine may come back as another version after an upgrade. */
  const onFailure = (error: unknown): unknown => {
    if (error instanceof EngineUnavailableError) connection = undefined;
    return error;
  };

  const known = async (signal: AbortSignal): Promise<Connection> => {
    const call: EngineCall = { method: 'GET', path: '/version' };
    try {
      return await bounded(call, signal, callTimeoutMs, connected);
    } catch (error) {
      throw onFailure(error);
    }
  };

  return {
    kind: async (signal) => (await known(signal)).kind,
    api: async (signal) => (await known(signal)).api,
    async call(call, signal) {
      const timeoutMs = call.timeoutMs ?? callTimeoutMs;
      try {
        return await bounded(call, signal, timeoutMs, async (limit) => {
          const { short, long } = await connected(limit);
          return dial(call.slow ? long : short, call, limit);
        });
      } catch (error) {
        throw onFailure(error);
      }
    },
    async stream(stream, signal) {
      try {
        const { long, api } = await connected(signal);
        // No limit of time: a build can be silent for long before its first output, which is when its answer begins.
        signal.throwIfAborted();
        const opened = stream.raw && raw ? raw(api, stream, signal) : open(long, stream, signal);
        return await orAbort(signal, opened);
      } catch (error) {
        throw onFailure(sortedError(error, describe(stream), signal));
      }
    },
  };
}

/** The path with its query, of simple values only. */
function targetOf(api: number, { path, query = {} }: EngineStream): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(given(query))) parameters.set(name, String(value));
  return `/v1.${api}${path}?${parameters}`;
}

function versionOf(answer: unknown): string {
  const { ApiVersion = '', MinAPIVersion = apiMin } = (answer ?? {}) as { ApiVersion?: string; MinAPIVersion?: string };
  const version = negotiate(MinAPIVersion, ApiVersion);
  if (version !== undefined) return version;
  return refuse('CONTAINER_ERROR', `The Docker engine speaks API ${MinAPIVersion} to ${ApiVersion}.`, {
    hint: `The operator needs an engine that speaks one of the versions ${apiMin} to ${apiMax}: Docker 20.10 or newer.`,
  });
}

/** The path without ids, which says enough and cannot hold anything of a user. */
const describe = ({ method, path }: { method: string; path: string }): string =>
  `${method} ${path.replace(/(?<=^\/(?:containers|images|networks)\/)[^/]{12,}(?=\/|$)/, '...')}`;

async function bounded<T>(
  call: EngineCall,
  signal: AbortSignal,
  timeoutMs: number,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    limit.throwIfAborted();
    return await orAbort(limit, work(limit));
  } catch (error) {
    throw sortedError(error, describe(call), signal);
  }
}

/**
 * docker-modem makes a text of all its options for every request, for a debug output that nobody reads. With the sockets of
 * an agent in it that took more time than the rest of the request.
 */
const withoutInspection = (agent: Agent): Agent => Object.assign(agent, { [inspect.custom]: () => 'Agent' });

// Anything else becomes an error with `statusCode`.
const doneStatuses = { 200: true, 201: true, 204: true, 304: true };

function dial(modem: Modem, call: EngineCall, signal: AbortSignal): Promise<unknown> {
  const { method, path, query = {}, body = {} } = call;
  return new Promise((resolve, reject) => {
    const options = method === 'POST' ? { _query: given(query), _body: body } : given(query);
    modem.dial(
      { method, path: `${path}?`, options, abortSignal: signal, statusCodes: doneStatuses },
      (error, result) => (error ? reject(error) : resolve(Buffer.isBuffer(result) ? null : result)),
    );
  });
}

function open(modem: Modem, stream: EngineStream, signal: AbortSignal): Promise<Readable> {
  const { method, path, query = {}, upload, registryAuth } = stream;
  return new Promise((resolve, reject) => {
    modem.dial(
      {
        method,
        path: `${path}?`,
        options: given(query),
        file: upload,
        authconfig: registryAuth,
        isStream: true,
        abortSignal: signal,
        statusCodes: doneStatuses,
      },
      (error, result) => {
        if (error) return reject(error);
        // With isStream the result is the HTTP answer itself.
        const answer = result as IncomingMessage;
        // Until its reader listens, an abort would end the process; the reader gets the same error.
        answer.on('error', () => {});
        resolve(answer);
      },
    );
  });
}

const given = (query: Query): Query =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
