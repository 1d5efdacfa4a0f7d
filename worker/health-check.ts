/**
 * Run by the container's health check: ends with 0 when the worker has a session and its engine answers, else with 1 and
 * one line that says what is missing.
 */
import { askHealth } from './health-socket.ts';

const limitMs = 3000;
const path = process.env['HEALTH_SOCKET'];

async function complaint(): Promise<string> {
  if (!path) return 'HEALTH_SOCKET is not set';
  try {
    const { connected, engineReady, reason } = await askHealth(path, limitMs);
    if (!connected) return 'no session with an orchestrator';
    return engineReady ? '' : reason;
  } catch (error) {
    return `the worker does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const found = await complaint();
process.stdout.write(found === '' ? 'healthy\n' : `${found}\n`);
process.exitCode = found === '' ? 0 : 1;
