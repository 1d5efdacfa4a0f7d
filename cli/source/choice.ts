/** The options that name a source of a bot, and the source they ask for, as values. */

/** The options of start and update that are about the source, as they were given. */
export interface SourceOptions {
  /** Empty without --simple; an empty name stands for --simple without a file. */
  readonly simple: readonly string[];
  readonly inline: boolean;
  readonly code: string | undefined;
  readonly entrypoint: string | undefined;
  readonly command: string | undefined;
  readonly requirements: readonly string[] | undefined;
  readonly runtime: string | undefined;
  readonly include: readonly string[];
  readonly envFile: readonly string[];
  readonly custom: string | undefined;
  readonly git: string | undefined;
  readonly branch: string | undefined;
  readonly subdir: string | undefined;
  readonly buildArg: readonly string[];
  readonly target: string | undefined;
  readonly dockerfile: string | undefined;
  readonly image: string | undefined;
  readonly registryUser: string | undefined;
  readonly registryPass: string | undefined;
  readonly registryPassStdin: boolean;
  readonly pull: boolean;
}

export type Runtime = 'python' | 'node';

/** What files that run without a Dockerfile need to be run. */
export interface RunOptions {
  readonly entrypoint: string | undefined;
  /** A command line to run instead of a file. */
  readonly command: string | undefined;
  readonly requirements: readonly string[] | undefined;
  readonly runtime: Runtime | undefined;
}

/** What is taken along of the folders of a bot. */
export interface FolderOptions {
  /** What is included though it would be left out. */
  readonly include: readonly string[];
  /** Files whose variables the bot gets anyway. */
  readonly envFiles: readonly string[];
}

export type SourceChoice =
  | {
      readonly kind: 'simple';
      readonly names: readonly string[];
      readonly run: RunOptions;
      readonly folder: FolderOptions;
    }
  | { readonly kind: 'inline'; readonly code: string; readonly run: RunOptions }
  /** `dockerfile`: where a folder has its Dockerfile. */
  | { readonly kind: 'path'; readonly path: string; readonly dockerfile: string }
  | { readonly kind: 'archive_url'; readonly url: string }
  | GitChoice
  | ImageChoice;

export interface GitChoice {
  readonly kind: 'git';
  /** As given: it may hold a password. */
  readonly url: string;
  readonly branch: string | undefined;
  readonly subdir: string | undefined;
  /** True when --custom named it and its URL decided. */
  readonly byUrl: boolean;
}

export interface ImageChoice {
  readonly kind: 'image';
  readonly image: string;
  readonly registryUser: string | undefined;
  /** `stdin`: it is read from there. */
  readonly registryPass: { readonly from: 'option'; readonly value: string } | { readonly from: 'stdin' } | undefined;
  readonly pull: boolean;
}
