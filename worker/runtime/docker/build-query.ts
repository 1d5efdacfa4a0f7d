/** The parameters of a build whose spelling is the engine's: Podman's Docker-compatible API takes some otherwise. Pure. */
import { list, record } from './answers.ts';

export type EngineKind = 'docker' | 'podman';

/** From the answer of GET /version. */
export const engineKind = (version: unknown): EngineKind =>
  list(record(version)['Components']).some((part) => record(part)['Name'] === 'Podman Engine') ? 'podman' : 'docker';

export interface StepBounds {
  readonly network: string;
  /** An entry of /etc/hosts: NAME:ADDRESS. */
  readonly mark: string;
  /** Largest value of each limit of setrlimit, soft and hard. */
  readonly ulimits: Readonly<Record<string, number>>;
}

/**
 * Podman answers 400 to Docker's form of hosts and limits, and ignores a network given in Docker's way: steps would
 * run in the network of the host. Its own form is that of buildah's remote client.
 */
export function stepParameters(
  kind: EngineKind,
  { network, mark, ulimits }: StepBounds,
): Readonly<Record<string, string>> {
  const limits = Object.entries(ulimits);
  switch (kind) {
    case 'docker':
      return {
        networkmode: network,
        extrahosts: mark,
        ulimits: JSON.stringify(limits.map(([Name, value]) => ({ Name, Soft: value, Hard: value }))),
      };
    case 'podman':
      return {
        nsoptions: JSON.stringify([{ Name: 'network', Host: false, Path: network }]),
        extrahosts: JSON.stringify([mark]),
        ulimits: JSON.stringify(limits.map(([name, value]) => `${name}=${value}:${value}`)),
      };
  }
}
