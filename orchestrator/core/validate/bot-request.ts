/** What a valid request to the bot_runner blueprint is, after parsing. */

import type { FetchAllow } from '#common/fetch-policy.ts';
import type { Labels } from '#common/labels.ts';
import type { Language } from '#common/language.ts';
import type { Secret } from '#common/secret.ts';

export const deploymentModes = ['simple', 'custom', 'image'] as const;
export type DeploymentMode = (typeof deploymentModes)[number];

/** What a bot may be asked to end with. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** Requested bounds; absent means the default. */
export interface LimitsRequest {
  readonly memoryBytes?: number;
  readonly cpuMillis?: number;
  readonly diskBytes?: number;
  readonly pids?: number;
  readonly stopGraceMs?: number;
  readonly stopSignal?: StopSignal;
}

/** Which of the files is run. */
export interface SimpleRunRequest {
  /** Empty with a command. */
  readonly entrypoint: string;
  /** Program and arguments; empty with an entrypoint. */
  readonly command: readonly string[];
  readonly language: Language;
}

/** What runs, and what is installed for it. */
interface SimpleSpec extends SimpleRunRequest {
  readonly requirements: readonly string[];
  /** Paths of files to install from. */
  readonly requirementFiles: readonly string[];
}

/** Simple mode with the files themselves, as REST sends them. */
export interface InlineSource extends SimpleSpec {
  readonly kind: 'inline';
  /** Relative path -> content. At least one. */
  readonly files: ReadonlyMap<string, string>;
}

/** Simple mode with an artifact that was uploaded before. */
export interface ArtifactSource extends SimpleSpec {
  readonly kind: 'artifact';
  readonly sha256: string;
}

/** How a Dockerfile is built. */
export interface BuildOptions {
  readonly buildArgs: ReadonlyMap<string, string>;
  /** Name or number of a stage; empty for the last one. */
  readonly target: string;
  /** Relative path; empty for the one at the root. */
  readonly dockerfile: string;
}

/** Custom mode with the archive itself, as REST sends it: tar or tar.gz, not read yet. */
export interface InlineArchiveSource {
  readonly kind: 'inline_archive';
  readonly bytes: Uint8Array;
}

/** Custom mode with an archive that was uploaded before. */
export interface CustomArtifactSource {
  readonly kind: 'custom_artifact';
  readonly sha256: string;
}

/** Custom mode with an archive that the worker fetches. */
export interface ArchiveUrlSource {
  readonly kind: 'archive_url';
  readonly url: string;
}

/** A user name, empty for some tokens, and a password or token. */
export interface Login {
  readonly username: string;
  readonly password: Secret;
}

/** Custom mode with a repository that the worker clones. */
export interface GitRepositorySource {
  readonly kind: 'git';
  readonly url: string;
  /** Branch, tag or whole commit id; empty for the default branch. */
  readonly ref: string;
  /** Folder of the Dockerfile; empty for the root. */
  readonly subdir: string;
  readonly login?: Login;
}

/** Image mode. */
export interface ImageRepositorySource {
  readonly kind: 'image';
  /** With a tag or a digest, always. */
  readonly image: string;
  readonly login?: Login;
  /** Asks the registry even when the engine has the image. */
  readonly pull: boolean;
}

export type SimpleSourceRequest = InlineSource | ArtifactSource;
export type CustomSourceRequest = (
  | InlineArchiveSource
  | CustomArtifactSource
  | ArchiveUrlSource
  | GitRepositorySource
) & {
  readonly build?: BuildOptions;
};
export type SourceRequest = SimpleSourceRequest | CustomSourceRequest | ImageRepositorySource;

/** All of a spec but its source. */
export interface Settings {
  readonly env: ReadonlyMap<string, string>;
  readonly limits: LimitsRequest;
  /** Labels that its worker must have. */
  readonly on: Labels;
  /** Whether its root file system is read-only; absent: as the bot has it, or not. */
  readonly readOnly?: boolean;
}

export interface Deployment extends Settings {
  readonly source: SourceRequest;
}

/** What an update or configure takes from what the bot has; all else that it does not name stays. */
export interface SpecChange {
  /** The environment of the deployment is the whole one. */
  readonly replaceEnv: boolean;
  readonly reset: {
    /** Back to the worker's defaults. */
    readonly memory: boolean;
    readonly cpus: boolean;
    readonly disk: boolean;
    readonly pids: boolean;
    readonly stopGrace: boolean;
    readonly stopSignal: boolean;
    /** No packages but those of the deployment. */
    readonly requirements: boolean;
    /** Names of build arguments. */
    readonly buildArgs: readonly string[];
    /** All stages are built. */
    readonly target: boolean;
    /** The Dockerfile at the root. */
    readonly dockerfile: boolean;
    /** Names of environment variables, and keys of labels. */
    readonly env: readonly string[];
    readonly on: readonly string[];
  };
}

export const noChange: SpecChange = {
  replaceEnv: false,
  reset: {
    memory: false,
    cpus: false,
    disk: false,
    pids: false,
    stopGrace: false,
    stopSignal: false,
    requirements: false,
    buildArgs: [],
    target: false,
    dockerfile: false,
    env: [],
    on: [],
  },
};

export type BotRequest =
  /**
   * `takeover`: a bot that has the Telegram token of this one is stopped. `moveToken`: one in the source is moved into the environment.
   * `change` says something where a bot runs.
   */
  | {
      readonly action: 'start' | 'update';
      readonly botId: string;
      readonly deployment: Deployment;
      readonly takeover: boolean;
      readonly moveToken: boolean;
      readonly change: SpecChange;
    }
  /** `change` takes away nothing of the source. */
  | {
      readonly action: 'configure';
      readonly botId: string;
      readonly settings: Settings;
      readonly takeover: boolean;
      readonly change: SpecChange;
    }
  | { readonly action: 'stop' | 'status' | 'restart' | 'config'; readonly botId: string }
  /** `purge`: the data volume goes too. */
  | { readonly action: 'delete'; readonly botId: string; readonly purge: boolean }
  | { readonly action: 'logs'; readonly botId: string; readonly lines: number }
  | { readonly action: 'list' };

/**
 * What the operator allows, for the checks that depend on it. The one place of these numbers: where plans of users set them, it is
 * made for the user of the request.
 */
export interface Bounds {
  readonly maxMemoryBytes: number;
  readonly maxCpuMillis: number;
  readonly maxDiskBytes: number;
  readonly maxPids: number;
  /** Places that sources and images may come from although their addresses are not public; none unless given. */
  readonly fetchAllow?: FetchAllow;
}

/** What the orchestrator uses unless its settings say otherwise. */
export const defaultBounds: Bounds = {
  maxMemoryBytes: 2048 * 1024 * 1024,
  maxCpuMillis: 2000,
  maxDiskBytes: 10_240 * 1024 * 1024,
  maxPids: 512,
  fetchAllow: [],
};
