/** What a source of a bot is to the commands: something to upload, if anything, and the part of the spec that names it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { LeftOut } from './left-out/left-out.ts';

export type SpecSource = NonNullable<MessageInitShape<typeof BotSpecSchema>['source']>;

export interface Upload {
  /** What goes out, for people: "3 files (16 B)". */
  readonly what: string;
  /** Paths of its files, for -v; empty where it is sent as it is. */
  readonly paths: readonly string[];
  /** Paths of files that went away or became unreadable during `read`, and are not part of it. */
  readonly skipped?: () => readonly string[];
  /** The bytes, in messages that ArtifactService takes. Throws CliError for what cannot be read. */
  readonly read: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** A source after all checks that need no orchestrator. Holds secrets only in what `spec` returns. */
export interface ReadySource {
  /** What the user should know, one line each, shown before anything is sent. */
  readonly notes: readonly string[];
  readonly upload: Upload | undefined;
  /** What stays behind and may be missed by a bot that had it before. */
  readonly leftOut?: readonly LeftOut[];
  /** True: it says that there are no packages, for a bot that has some. */
  readonly hasNoRequirements?: boolean;
  /** `artifactSha256` is that of the upload; empty without one. */
  readonly spec: (artifactSha256: string) => SpecSource;
}

/** What the preparation of a source may use. */
export interface SourceContext {
  /** File names are relative to it. */
  readonly cwd: string;
  readonly signal: AbortSignal;
  /** All of stdin, for --registry-pass-stdin. Throws CliError when there is nothing to wait for. */
  readonly readStdin: () => Promise<string>;
}
