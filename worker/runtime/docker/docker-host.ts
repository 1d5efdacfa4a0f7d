/** DOCKER_HOST as an address that can be dialled. */

export type EngineSocket = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export const defaultDockerHost = 'unix:///var/run/docker.sock';

/** What addresses may be, as a sentence that follows "DOCKER_HOST". */
export const dockerHostRule =
  'must be unix:///path/to/docker.sock, or tcp://127.0.0.1:PORT for an engine on this machine';

/** Undefined for an address that cannot be used. */
export function parseDockerHost(address: string): EngineSocket | undefined {
  if (address.startsWith('unix:///')) return { socketPath: address.slice('unix://'.length) };
  const url = URL.parse(address);
  // Access to the engine means root on its machine, so its API does not go over a network in cleartext.
  if (url?.protocol === 'tcp:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname) && url.port !== '') {
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) };
  }
  return undefined;
}
