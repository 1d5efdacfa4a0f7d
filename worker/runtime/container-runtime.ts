/**
 * The seam to whatever runs bots. Three implementations (docker, process, fake) pass one contract suite
 * (test/contract/container-runtime.ts); nothing above this file knows which one it has.
 *
 * The contract, in prose:
 * 1. A container is named once: `create` with a name that exists fails with NameInUseError and changes nothing. This is
 *    what keeps two copies of a bot from running on one host.
 * 2. Calls that ask for a state succeed when it already holds: start of a running, stop of an ended, remove of an absent
 *    container.
 * 3. `stop` and `remove` return only when it is true: the process has ended, the container is gone.
 * 4. `list` and `inspect` show only containers with this worker's id and a valid signature, and those that an operator gave
 *    to it by takeStray. Everything else on the engine is never touched; of it only `strays` is seen.
 * 5. A call that is aborted or loses its connection may still take effect: look again before retrying.
 * 6. Expected failures are ProblemError (BUILD_FAILED, CONTAINER_ERROR, ...); an engine that does not answer is
 *    EngineUnavailableError, which says nothing about the containers.
 * 7. Environment values never appear in a label, an image, an error or a log.
 */

import type { BotKey } from '#common/ids.ts';
import type { Language } from '#common/language.ts';
import type { Secret } from '#common/secret.ts';
import { TransientError } from '#common/waiting/transient.ts';
import type { SimpleStart } from '../images/dockerfile.ts';
import type { SourceTar } from '../state/source-tar.ts';
import type { Around } from './output-lines.ts';
import type { SafetyCheck } from './safety.ts';
import type { Stray } from './strays.ts';

export type RuntimeKind = 'docker' | 'process';

/** Every bot gets it: the path of the folder that is kept for it until removeVolumes. */
export const dataDirVariable = 'BOTRUNNER_DATA_DIR';

export interface EngineInfo {
  /** For people, for example "docker 20.10.24". */
  readonly version: string;
  /** What the machine has. */
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** Source files of simple mode to be made into an image. */
export interface SimpleBuild {
  readonly key: BotKey;
  readonly workerId: string;
  /** Name and tag of the image to make, from imageName(). */
  readonly image: string;
  readonly language: Language;
  /** Plain requirements. */
  readonly requirements: readonly string[];
  /** Files of the source to install from; see SimpleSource.requirement_files. */
  readonly requirementFiles: readonly string[];
  /** Path of a checked tar file: plain files and folders with safe relative names. */
  readonly sourceTar: SourceTar;
  /** Gets build output line by line, without line ends, as it comes. */
  readonly onOutput: (line: string) => void;
}

/** A build context with a Dockerfile of its own to be made into an image. */
export interface CustomBuild {
  readonly key: BotKey;
  readonly workerId: string;
  /** Name and tag of the image to make, from imageName(). */
  readonly image: string;
  /** Path of a tar or gzipped tar as it came from a user; it is checked while it is read. */
  readonly contextTar: SourceTar;
  /** A single folder around everything is looked through when there is no Dockerfile beside it. */
  readonly unwrap?: boolean;
  /** Path of the Dockerfile below the root of the source; Dockerfile unless given. */
  readonly dockerfile?: string | undefined;
  /** Values for ARG instructions. They stay in the history of the image: nothing secret. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** The last stage to be built, by name or number; the last one there is unless given. */
  readonly target?: string | undefined;
  /** As in SimpleBuild. */
  readonly onOutput: (line: string) => void;
}

/** A ready image to be made available. */
export interface ImagePull {
  /** Checked, with a tag or a digest: from formatImageReference(). */
  readonly reference: string;
  /** Whose bot it is for: what one user got with a login is not another's. */
  readonly userId: string;
  /** For the image's own registry and no other. */
  readonly credentials?: Secret<RegistryCredentials> | undefined;
  /** Asks the registry even when the engine has the image. */
  readonly pull: boolean;
  /** As os/architecture[/variant]; the engine's own unless given. */
  readonly platform?: string;
  /** As in SimpleBuild; progress is reported in few lines. */
  readonly onOutput: (line: string) => void;
}

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

export interface PulledImage {
  /** What exactly is there, fit for ContainerPlan.image: the repo digest if the image has one, else its id. */
  readonly pinned: string;
}

/** What to run inside an image of the simple mode. */
export interface SimpleRun extends SimpleStart {
  readonly kind: 'simple';
}

/**
 * Runs what the image itself says: command, folder, user, stop signal, health check. Volumes that it declares are the bot's
 * own and outlive the container, as /data does.
 */
export interface ImageRun {
  readonly kind: 'image';
}

/** All that `create` needs. The runtime adds nothing that came from a user. */
export interface ContainerPlan {
  readonly key: BotKey;
  readonly workerId: string;
  /** The accepted spec this container is of; label `generation`. */
  readonly revision: bigint;
  readonly epoch: bigint;
  /** From containerName(). */
  readonly name: string;
  readonly image: string;
  readonly run: SimpleRun | ImageRun;
  readonly env: Secret<Readonly<Record<string, string>>>;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Its root file system is read-only: it can write to its volumes and, in memory, to the usual temporary folders. */
  readonly readOnly?: boolean;
  /** The most processes and threads it may have; the runtime's usual limit unless given. */
  readonly pids?: number;
  /** What `stop` asks it to end with, as SIGINT; the image's, or SIGTERM, unless given. */
  readonly stopSignal?: string;
  /** Its user has asked for limits of his own: a runtime that cannot enforce them says so. */
  readonly asksForLimits?: boolean;
  /** What the bot may keep in its volumes, and write elsewhere in its container; without a limit unless given. */
  readonly disk?: DiskLimits | undefined;
  /** It takes the place of a container that ran until a moment ago: nobody has had a hand in what the bot keeps since. */
  readonly replaces?: boolean;
}

export type ContainerStatus = 'created' | 'running' | 'exited';

/** One container as the engine sees it now. */
export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly key: BotKey;
  readonly revision: bigint;
  readonly epoch: bigint;
  readonly status: ContainerStatus;
  /** Wall time, ms since 1970, of the last start and the last end. */
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  /** Exit code of the last end; undefined while running, if never started, or when the runtime could not see the end. */
  readonly exitCode: number | undefined;
  /** Whether the last end was an out-of-memory kill. */
  readonly oomKilled: boolean;
  /** What the container was made with, as settingsOf gave it then; undefined for one made before that was kept. */
  readonly settings?: string | undefined;
  /** How it runs otherwise than its image says, for people; undefined when it does not. */
  readonly remark?: string | undefined;
  /** The limits that it was made with; undefined for one made before there were any. */
  readonly disk?: DiskLimits | undefined;
  /** Undefined where the runtime protects nothing, and for a container that was made a moment ago. */
  readonly protection?: ContainerProtection | undefined;
}

/** How a container is kept apart, as its engine shows it. */
export interface ContainerProtection {
  readonly readOnly: boolean;
  /** The engine's runtime, for example runc or runsc; empty if the engine does not say. */
  readonly runtimeClass: string;
  /** As the engine was given it; `root` for root under any of its usual names. */
  readonly user: string;
}

export interface DiskLimits {
  /** In /data and the volumes of its image. */
  readonly dataBytes: number;
  /** Elsewhere in its container. */
  readonly layerBytes: number;
}

/** What a running container has written. Bytes are those that the disk has lost, so that holes in files do not count. */
export interface DiskMeasure extends DiskLimits {
  readonly containerId: string;
  readonly dataFiles: number;
  readonly layerFiles: number;
  /** Its volumes cannot grow beyond their size. */
  readonly isSized: boolean;
  /** Its volumes were made before there were limits. */
  readonly isOld: boolean;
  /** Where its files could not be counted in time: there are too many, or the disk is busy. What is said of them is too little then. */
  readonly uncountable: 'data' | 'layer' | undefined;
  /** How long it took to count them; undefined when they could not be counted. */
  readonly tookMs: number | undefined;
}

export interface StopReport {
  /** A shell stood before the bot: it got the signal, and did not pass it on. */
  readonly behindShell: boolean;
}

export type OutputStream = 'stdout' | 'stderr';

/** One line a bot printed, without its line end. Longer than 64 KiB: cut into several. */
export interface OutputLine {
  /** Wall time in ns since 1970, when the engine saw the line. */
  readonly timeNs: bigint;
  readonly stream: OutputStream;
  readonly text: string;
  /** Only for a piece of a longer line: the text around it, so that what was cut in two can be recognised. */
  readonly around?: Around;
}

export interface OutputBatch {
  readonly lines: readonly OutputLine[];
  /** Hand it to the next readOutput to continue. Opaque; survives restarts of worker and container, not its removal. */
  readonly cursor: string;
  /** True when lines between the given cursor and the first line here are known to be lost. */
  readonly gap: boolean;
  /** True when more can be read at once: the batch was cut at its size limit. */
  readonly more: boolean;
}

export interface RuntimeEvent {
  readonly containerId: string;
  readonly kind: 'started' | 'ended' | 'oom';
}

export interface ContainerRuntime {
  readonly kind: RuntimeKind;

  /** Facts of the engine; EngineUnavailableError when it does not answer within 5 s. */
  info(signal: AbortSignal): Promise<EngineInfo>;

  /** What keeps strangers' bots from doing harm, as it was last seen. */
  safety(signal: AbortSignal): Promise<readonly SafetyCheck[]>;

  /** Makes the image; on failure or abort nothing is left behind. ProblemError BUILD_FAILED, IMAGE_NOT_FOUND (base). */
  buildImage(build: SimpleBuild, signal: AbortSignal): Promise<void>;
  /**
   * Makes the image at once if that installs nothing, because the bot's packages are those of an image that is there; false when
   * buildImage has to make it. Fails as buildImage does.
   */
  reuseImage(build: SimpleBuild, signal: AbortSignal): Promise<boolean>;
  /**
   * The same for a context with a Dockerfile. ProblemError BUILD_FAILED, INVALID_ARCHIVE, ARCHIVE_TOO_LARGE; INVALID_MODE
   * from a runtime without images.
   */
  buildCustomImage(build: CustomBuild, signal: AbortSignal): Promise<void>;
  /**
   * Makes a ready image available: one that the engine has is used as it is, unless its tag is "latest" or `pull` is set; it
   * is also used, and said to be, when its registry cannot be reached. One that was pulled with a login is given out only if the registry
   * gives it to this user, too; when it cannot be reached, if it has done so before. ProblemError IMAGE_NOT_FOUND, REGISTRY_AUTH_FAILED,
   * IMAGE_PULL_FAILED; INVALID_MODE from a runtime without images.
   */
  pullImage(pull: ImagePull, signal: AbortSignal): Promise<PulledImage>;
  hasImage(image: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Does work now that makes later starts of a bot's image quicker, where there is such work: for a version that stays up. Nothing
   * depends on it, and it may be aborted: it rejects when it no longer does anything. An image that is not there, or needs nothing, is
   * success.
   */
  settleImage(key: BotKey, image: string, signal: AbortSignal): Promise<void>;
  /** Removes the bot's images but the ones to keep. Absent is success; an image in use stays. */
  removeImages(key: BotKey, keep: readonly string[], signal: AbortSignal): Promise<void>;

  /**
   * Removes what the bot keeps in its data folder and in the volumes of its images, if this worker made them. Absent is success; in use
   * is ProblemError CONTAINER_ERROR.
   */
  removeVolumes(key: BotKey, signal: AbortSignal): Promise<void>;

  /**
   * Creates, does not start; returns the engine's id. `say` gets lines for the bot's user, of what is not as the plan or the image would
   * have it. NameInUseError, ProblemError CONTAINER_ERROR.
   */
  create(plan: ContainerPlan, signal: AbortSignal, say?: (line: string) => void): Promise<string>;
  /**
   * A digest of all that `create` would make the container with now, except for what identifies it (revision, epoch, time).
   * Undefined when that cannot be determined, because the image is not there.
   */
  settingsOf(plan: ContainerPlan, signal: AbortSignal): Promise<string | undefined>;
  start(id: string, signal: AbortSignal): Promise<void>;
  /** The plan's stop signal, or the image's, or SIGTERM; after `graceMs` SIGKILL. */
  stop(id: string, graceMs: number, signal: AbortSignal): Promise<StopReport>;
  /** Removes an ended container; ends a running one by SIGKILL first. */
  remove(id: string, signal: AbortSignal): Promise<void>;
  inspect(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined>;
  /** This worker's containers, in no order. */
  list(signal: AbortSignal): Promise<readonly ContainerFacts[]>;

  /** Containers of bots on this engine that are not this worker's. */
  strays(signal: AbortSignal): Promise<readonly Stray[]>;
  /** Makes a stray this worker's own. By an operator's word only. ProblemError CONTAINER_NOT_FOUND, CONTAINER_ERROR. */
  takeStray(id: string, signal: AbortSignal): Promise<void>;
  /** Stops and removes a stray. By an operator's word only. ProblemError CONTAINER_NOT_FOUND, CONTAINER_ERROR. */
  removeStray(id: string, signal: AbortSignal): Promise<void>;

  /**
   * Lines after `cursor` (from the beginning without one), oldest first, about `maxBytes` at most. Empty when there is
   * nothing new. Returns at once; never waits for output.
   */
  readOutput(id: string, cursor: string | undefined, maxBytes: number, signal: AbortSignal): Promise<OutputBatch>;
  /** Calls `ring` when there may be new output, as a hint: it may ring too often or miss. Ends with the signal or the container. */
  watchOutput(id: string, ring: () => void, signal: AbortSignal): Promise<void>;
  /**
   * Calls back about once a second with the CPU time that the container has used since its start, in ms. A hint: samples
   * may be late or missing. Ends with the signal or the container.
   */
  watchCpu(id: string, onSample: (usedMs: number) => void, signal: AbortSignal): Promise<void>;
  /**
   * What these containers have written, for those that run and could be measured; call it with few at a time. `limitMs` is for each of
   * them: one takes no time from the others. Without any it shows that measuring works.
   */
  measureDisk(ids: readonly string[], limitMs: number, signal: AbortSignal): Promise<readonly DiskMeasure[]>;
  /** Bytes that are free where the engine keeps images and containers; undefined where that is not known. Cheap. */
  freeDisk(signal: AbortSignal): Promise<number | undefined>;
  /** Calls back for changes as a hint: events may be missed. Returns when the engine's stream ends or on abort. */
  watchEvents(onEvent: (event: RuntimeEvent) => void, signal: AbortSignal): Promise<void>;

  /** Called once at the worker's graceful end. docker leaves containers running; process stops them. */
  shutdown(graceMs: number): Promise<void>;
}

/** A container of that name exists already. `id` is set when it is one of ours. */
export class NameInUseError extends Error {
  readonly containerName: string;
  readonly id: string | undefined;
  constructor(containerName: string, id?: string) {
    super(`a container named ${containerName} exists already`);
    this.containerName = containerName;
    this.id = id;
    this.name = 'NameInUseError';
  }
}

/** The engine did not answer, or the connection broke. Nothing is known about the containers. */
export class EngineUnavailableError extends TransientError {
  /** For the operator: a sentence on what to do about it; undefined where none is known. */
  readonly cure: string | undefined;
  /** @param message for the operator: what the engine's client said, which may name paths of this machine. */
  constructor(message: string, options?: { cause?: unknown; cure?: string }) {
    super(message, options);
    this.name = 'EngineUnavailableError';
    this.cure = options?.cure;
  }

  override get explanation(): string {
    return 'the container engine of the worker does not answer';
  }
}
