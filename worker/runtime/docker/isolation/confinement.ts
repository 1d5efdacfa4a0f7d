/** What the isolation of bots asks of each container. */

/** What containers of bots are made with. */
export interface Confinement {
  /** HostConfig.Runtime; the engine's own default when undefined. */
  readonly runtimeClass: string | undefined;
  /** Programs of images that would be root run as the bots' own user. */
  readonly noRoot: boolean;
}

export const unconfined: Confinement = { runtimeClass: undefined, noRoot: false };
