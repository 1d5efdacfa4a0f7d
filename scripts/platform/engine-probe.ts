/** Questions to a Docker engine that change nothing: does it answer, has it an image, where is its bridge. */
import http from 'node:http';

export interface EngineAddress {
  /** As DOCKER_HOST writes it. */
  readonly shown: string;
  readonly request: http.RequestOptions;
}

/** Undefined for an address that needs more than a plain socket (ssh, TLS): the worker knows those, a probe does not. */
export function engineAddress(env: NodeJS.ProcessEnv): EngineAddress | undefined {
  const shown = env['DOCKER_HOST'] || 'unix:///var/run/docker.sock';
  const url = URL.parse(shown);
  if (url?.protocol === 'unix:') return { shown, request: { socketPath: url.pathname } };
  if (url?.protocol === 'tcp:' || url?.protocol === 'http:') {
    return { shown, request: { host: url.hostname, port: url.port || '2375' } };
  }
  return undefined;
}

export interface EngineAnswer {
  readonly status: number;
  readonly body: string;
}

const timeoutMs = 3_000;

/** GET on the engine; rejects when it does not answer within 3 s. */
export function askEngine(address: EngineAddress, path: string): Promise<EngineAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...address.request, path, timeout: timeoutMs }, (response) => {
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

/** The engine's version for people, or why there is none. */
export async function probeEngine(
  address: EngineAddress | undefined,
): Promise<{ readonly ok: true; readonly version: string } | { readonly ok: false; readonly why: string }> {
  if (address === undefined) return { ok: false, why: 'DOCKER_HOST is not a socket that can be asked directly' };
  try {
    const { status, body } = await askEngine(address, '/version');
    if (status !== 200) return { ok: false, why: `${address.shown} answers ${status}` };
    return { ok: true, version: String((JSON.parse(body) as { Version?: unknown }).Version ?? 'unknown') };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no engine' : code === 'EACCES' ? 'no permission for the socket' : message;
    return { ok: false, why: `${why} (${address.shown})` };
  }
}

export async function hasImage(address: EngineAddress, image: string): Promise<boolean> {
  return (await askEngine(address, `/images/${encodeURIComponent(image)}/json`)).status === 200;
}

/** The address of this host that containers on a bridge reach. Undefined when the engine has no default bridge. */
export async function bridgeGateway(address: EngineAddress): Promise<string | undefined> {
  const { status, body } = await askEngine(address, '/networks/bridge');
  if (status !== 200) return undefined;
  const network = JSON.parse(body) as { IPAM?: { Config?: readonly { Gateway?: string }[] | null } };
  return network.IPAM?.Config?.find((config) => config.Gateway)?.Gateway;
}
