/** One plain call of the Docker Engine API, for the kit itself: https://docs.docker.com/reference/api/engine/. */
import { type RequestOptions, request } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

export interface EngineCall {
  /** Default GET. */
  readonly method?: string;
  readonly body?: Readable;
  /** Longest silence of the engine; default 10 s. */
  readonly timeoutMs?: number;
}

export interface EngineAnswer {
  readonly status: number;
  readonly text: string;
}

/** Calls the engine at a DOCKER_HOST address (unix:// or tcp://). Rejects when it cannot be reached or stays silent. */
export async function callEngine(dockerHost: string, path: string, call: EngineCall = {}): Promise<EngineAnswer> {
  const { method = 'GET', body, timeoutMs = 10_000 } = call;
  // A connection of its own: one kept from earlier may belong to an engine that was killed since.
  const sent = request({ ...addressOf(dockerHost), path, method, timeout: timeoutMs, agent: false });
  sent.on('timeout', () => sent.destroy(new Error(`the engine did not answer ${method} ${path} for ${timeoutMs} ms`)));
  const answer = new Promise<EngineAnswer>((resolve, reject) => {
    sent.on('error', reject).on('response', (response) => {
      text(response).then((content) => resolve({ status: response.statusCode ?? 0, text: content }), reject);
    });
  });
  // The answer's own failure is the one to report; a body that could not be sent whole is its consequence.
  if (body) await Promise.all([answer, pipeline(body, sent).catch(() => undefined)]);
  else sent.end();
  return answer;
}

function addressOf(dockerHost: string): RequestOptions {
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) };
  const { hostname, port } = new URL(dockerHost);
  return { host: hostname, port: port || 2375 };
}
