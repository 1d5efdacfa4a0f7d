/** What a Dockerfile is made ready with, and what comes of it. */
import type { AddedFile } from './added.ts';
import type { Frontend } from './frontend.ts';
import type { Platform } from './platform.ts';

export interface PreparedDockerfile {
  readonly text: string;
  /** The images that it builds on, each once, with no stages among them. */
  readonly bases: readonly string[];
  /** Images that ONBUILD steps copy from, each once. */
  readonly mentioned: readonly string[];
  /** The platforms of bases that are wanted for another than the engine's own. */
  readonly platforms: ReadonlyMap<string, string>;
  /** What is to be in the image named `addedImage`: each in a folder named by its place in this list. */
  readonly added: readonly AddedFile[];
  /** Build arguments that no ARG asks for. */
  readonly unused: readonly string[];
}

export interface DockerfileTerms {
  readonly platform: Platform;
  readonly frontend: Frontend;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** The last stage to be built, by name or number; empty for the last one there is. */
  readonly target: string;
  /** Begins the names of caches: builds that have it in common share them. */
  readonly cacheScope: string;
  /** The image that holds what ADD instructions fetch. */
  readonly addedImage: string;
}
