/**
 * Run by the container's health check: ends with 0 when the worker has a session and its engine answers, else with 1 and
 * one line that says what is missing.
 */
import { ConfigError, readConfig } from '#common/env-config.ts';
import { workerVariables } from './config.ts';
import { askHealth } from './health-socket.ts';

const limitMs = 3000;

async function complaint(path: string | undefined): Promise<string> {
  if (path === undefined) return 'HEALTH_SOCKET is not set';
  try {
    const { connected, complaint: why = '', engineReady, reason } = await askHealth(path, limitMs);
    if (!connected) return `no session with an orchestrator${why === '' ? '' : `: ${why}`}`;
    return engineReady ? '' : reason;
  } catch (error) {
    return `the worker does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The socket's path as the worker of the same settings reads it; what is wrong with it otherwise. */
async function check(): Promise<string> {
  try {
    return await complaint(readConfig({ path: workerVariables.healthSocket }, process.env).path);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const found = await check();
process.stdout.write(found === '' ? 'healthy\n' : `${found}\n`);
process.exitCode = found === '' ? 0 : 1;
