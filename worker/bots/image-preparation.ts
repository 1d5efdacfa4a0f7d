/** Makes the image of one spec: fetches the source, waits for a build slot, builds. */
import { type BotKey, imageName } from '#common/ids.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { Slots } from '../waiting/slots.ts';
import type { RunnableSpec } from './spec-plan.ts';

/** Where sources come from. */
export interface ArtifactSource {
  /**
   * The path of the artifact's bytes, checked by their sha256; it stays until released. ProblemError ARTIFACT_NOT_FOUND,
   * TryLaterError while the orchestrator cannot be reached.
   */
  fetch(sha256: string, signal: AbortSignal): Promise<{ readonly path: string; release(): void }>;
}

/** `checking`: whether the image is there already. */
export type PreparationPhase = 'checking' | 'fetching' | 'waiting' | 'building';

export interface Preparation {
  readonly key: BotKey;
  readonly workerId: string;
  readonly revision: bigint;
  readonly spec: RunnableSpec;
  readonly onPhase: (phase: PreparationPhase) => void;
  readonly onOutput: (line: string) => void;
}

/** Resolves when the image is there. Throws what the parts throw; on abort nothing is left behind. */
export async function prepareImage(
  parts: { readonly runtime: ContainerRuntime; readonly artifacts: ArtifactSource; readonly slots: Slots },
  preparation: Preparation,
  signal: AbortSignal,
): Promise<void> {
  const { key, workerId, revision, spec, onPhase, onOutput } = preparation;
  onPhase('fetching');
  const artifact = await parts.artifacts.fetch(spec.artifactSha256, signal);
  try {
    onPhase('waiting');
    const releaseSlot = await parts.slots.take(signal);
    try {
      onPhase('building');
      await parts.runtime.buildImage(
        {
          key,
          workerId,
          image: imageName(key, revision),
          language: spec.language,
          requirements: spec.requirements,
          sourceTarPath: artifact.path,
          onOutput,
        },
        signal,
      );
    } finally {
      releaseSlot();
    }
  } finally {
    artifact.release();
  }
}
