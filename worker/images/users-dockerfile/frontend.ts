/** Which Dockerfiles a builder understands: the classic builder's, or those up to a version of docker/dockerfile. Pure. */

export interface Frontend {
  /** The N of docker/dockerfile:1.N that is built into the builder; 0 for the classic builder. */
  readonly syntax: number;
}

export const classicFrontend: Frontend = { syntax: 0 };

/**
 * What the BuildKit inside Docker engines has built in, the lowest of each row: the first engine version, and the syntax. From
 * the release notes of moby (https://docs.docker.com/engine/release-notes/) and of BuildKit, whose 0.N has 1.(N-6).
 */
const engines: readonly (readonly [major: number, minor: number, syntax: number])[] = [
  [29, 1, 20],
  [28, 5, 19],
  [28, 4, 18],
  [28, 3, 17],
  [28, 2, 16],
  [28, 0, 14],
  [27, 4, 11],
  [27, 0, 8],
  [26, 0, 7],
  [25, 0, 6],
  [24, 0, 5],
  [23, 0, 4],
];

/** `version` is that of a Docker engine, such as 28.5.2+dfsg4. What cannot be read counts as the oldest. */
export function engineFrontend(version: string): Frontend {
  const [, major = '0', minor = '0'] = /^(\d{1,4})\.(\d{1,4})/.exec(version) ?? [];
  const at = [Number(major), Number(minor)] as const;
  const found = engines.find(([first, second]) => at[0] > first || (at[0] === first && at[1] >= second));
  return { syntax: found?.[2] ?? 2 };
}
