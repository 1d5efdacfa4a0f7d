/** Runs a script of ours in a short-lived container with the tools for disks, and no more of the host than it needs. */
import type { EngineClient } from '../engine-client.ts';
import { removeLeftovers, runShortly, type ShortRunEnd } from '../short-run.ts';
import type { ToolsImage } from './tools-image.ts';

export interface ToolsRun {
  readonly script: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** HostConfig beyond what every run has: mounts, capabilities. */
  readonly host: Readonly<Record<string, unknown>>;
}

export type RunTools = (tools: ToolsImage, run: ToolsRun, signal: AbortSignal) => Promise<ShortRunEnd>;

/** The label of our short-lived containers; its value is the worker. */
const helperLabel = 'bot_runner.disk';

export function createRunTools(engine: EngineClient, workerId: string): RunTools {
  let tidied: Promise<void> | undefined;
  let active = 0;
  return async ({ image, shell, env }, { script, args, timeoutMs, host }, signal) => {
    // What others are running is no leftover.
    if (active === 0) tidied ??= removeLeftovers(engine, { label: [`${helperLabel}=${workerId}`] }, signal);
    active += 1;
    try {
      await tidied;
      const body = {
        Image: image,
        Entrypoint: [shell],
        Cmd: ['-c', script, 'sh', ...args],
        User: '0:0',
        WorkingDir: '/',
        Env: ['LC_ALL=C', ...env],
        Labels: { [helperLabel]: workerId },
        Healthcheck: { Test: ['NONE'] },
        HostConfig: {
          NetworkMode: 'none',
          // An engine with user namespaces shows files as they are only to somebody outside of them.
          UsernsMode: 'host',
          CapDrop: ['ALL'],
          // With labels of SELinux it would see nothing of other containers.
          SecurityOpt: ['no-new-privileges:true', 'label=disable'],
          ReadonlyRootfs: true,
          PidsLimit: 64,
          Memory: 256 * 1024 * 1024,
          MemorySwap: 256 * 1024 * 1024,
          LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
          ...host,
        },
      };
      return await runShortly(engine, { body, timeoutMs }, signal);
    } catch (error) {
      // A container may have been left that nobody knows by its id.
      tidied = undefined;
      throw error;
    } finally {
      active -= 1;
    }
  };
}
