/** Read-only questions to Docker engines: where is one that answers, does it have an image. */
import http from 'node:http';
import { join } from 'node:path';
import { record, text } from '../../worker/runtime/docker/answers.ts';
import { engineKind } from '../../worker/runtime/docker/build-query.ts';
import { defaultDockerHost, dockerHostRule, parseDockerHost } from '../../worker/runtime/docker/docker-host.ts';
import { whyAway } from '../../worker/runtime/docker/engine-away.ts';

export interface EngineAnswer {
  readonly status: number;
  readonly body: string;
}

const timeoutMs = 3_000;

/** GET on the engine at that DOCKER_HOST; rejects when it does not answer within 3 s. */
export function askEngine(dockerHost: string, path: string): Promise<EngineAnswer> {
  return new Promise((resolve, reject) => {
    const address = parseDockerHost(dockerHost);
    if (address === undefined) throw new Error(`DOCKER_HOST ${dockerHostRule}`);
    const request = http.get({ ...address, path, timeout: timeoutMs }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('it does not answer')));
    request.on('error', reject);
  });
}

export type FoundEngine =
  /** `name`: "Docker 28.5.2", "Podman 5.4.2". */
  | { readonly ok: true; readonly dockerHost: string; readonly name: string }
  /** `why` is a clause, `cure` a sentence. */
  | { readonly ok: false; readonly why: string; readonly cure?: string };

/**
 * DOCKER_HOST alone if it is set. Otherwise the first that answers of the sockets that Docker's own packages make: the
 * system's, a rootless engine's, Docker Desktop's. Without any, why the first of them does not work.
 */
export async function findEngine(env: NodeJS.ProcessEnv): Promise<FoundEngine> {
  const [first, ...others] = env['DOCKER_HOST'] ? [env['DOCKER_HOST']] : usualAddresses(env);
  const answer = await probeEngine(first ?? defaultDockerHost);
  if (answer.ok) return answer;
  for (const address of others) {
    const other = await probeEngine(address);
    if (other.ok) return other;
  }
  return answer;
}

/** Rootless: https://docs.docker.com/engine/security/rootless/; Desktop: https://docs.docker.com/desktop/setup/install/linux/. */
const usualAddresses = ({ XDG_RUNTIME_DIR, HOME }: NodeJS.ProcessEnv): readonly string[] => [
  defaultDockerHost,
  ...(XDG_RUNTIME_DIR?.startsWith('/') ? [`unix://${join(XDG_RUNTIME_DIR, 'docker.sock')}`] : []),
  ...(HOME?.startsWith('/') ? [`unix://${join(HOME, '.docker/desktop/docker.sock')}`] : []),
];

async function probeEngine(dockerHost: string): Promise<FoundEngine> {
  try {
    const { status, body } = await askEngine(dockerHost, '/version');
    if (status !== 200) return { ok: false, why: `${dockerHost} answers ${status}` };
    const version: unknown = JSON.parse(body);
    const kind = engineKind(version) === 'podman' ? 'Podman' : 'Docker';
    return { ok: true, dockerHost, name: `${kind} ${text(record(version)['Version']) || 'of an unknown version'}` };
  } catch (error) {
    const away = await whyAway(dockerHost, error);
    if (away !== undefined) return { ok: false, why: away.what, cure: away.cure };
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, why: parseDockerHost(dockerHost) === undefined ? message : `${message} (${dockerHost})` };
  }
}

export async function hasImage(dockerHost: string, image: string): Promise<boolean> {
  return (await askEngine(dockerHost, `/images/${encodeURIComponent(image)}/json`)).status === 200;
}
