/** The process runtime as tests make it, with fixed keys. */
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import type { ContainerRuntime } from '../../worker/runtime/container-runtime.ts';
import { createProcessRuntime, type ProcessRuntimeOptions } from '../../worker/runtime/process/process-runtime.ts';

/** The key that signs labels, unless a test gives another one. */
export const processSigningKey = new Secret<Uint8Array>(new Uint8Array(32).fill(1));
const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(2));

type Choice = Partial<Pick<ProcessRuntimeOptions, 'workerId' | 'signingKey' | 'buildSettings'>>;

export const processRuntimeIn = (dir: string, choice: Choice = {}): ContainerRuntime =>
  createProcessRuntime({
    dir,
    workerId: 'w1',
    signingKey: processSigningKey,
    sealKey,
    buildSettings: {},
    clock: systemClock,
    logger: silentLogger,
    ...choice,
  });
