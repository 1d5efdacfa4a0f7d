/**
 * The real orchestrator under libfaketime, whose wall clock is set while it runs and between two runs. The monotonic clock is
 * left as it is, as when NTP or an operator sets the time of a machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { clientToken, type JsonBody } from '../kit/orchestrator-for-tests.ts';
import { type OrchestratorProgram, startOrchestratorProgram } from '../kit/orchestrator-program.ts';
import { debianPackages } from '../kit/private-engine/debian-packages.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';

/** libfaketime, unpacked beside the system. Rejects where Debian's package cannot be had. */
async function fakeTimeLibrary(): Promise<string> {
  const tree = await debianPackages(join(defaultCacheDir, 'faketime'), ['libfaketime']);
  const found = ['x86_64', 'aarch64']
    .map((machine) => tree.find(`/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`))
    .find((path) => path !== undefined);
  if (found === undefined) throw new Error('the package libfaketime has no library for this machine');
  return found;
}

const hour = 3600;

describe('an orchestrator whose clock is set', () => {
  let dir: string;
  let program: OrchestratorProgram | undefined;
  let offset = 0;
  /** Sets its clock this many seconds from the real one. */
  const setClock = (seconds: number) => {
    offset = seconds;
    writeFileSync(join(dir, 'offset'), `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'clock-steps-'));
    setClock(0);
  });
  afterEach(async () => {
    await program?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  it('leaves every open job its time: forward, back, and between two runs', { timeout: 120_000 }, async ({ skip }) => {
    const library = await fakeTimeLibrary().catch((error: unknown) =>
      skip(`libfaketime is not to be had: ${error instanceof Error ? error.message : String(error)}`),
    );
    const running = await startOrchestratorProgram({
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: join(dir, 'offset'),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    program = running;
    const job = async (jobId: string): Promise<JsonBody> => {
      const headers = { authorization: `Bearer ${clientToken}` };
      return (await fetch(`${running.url}/jobs/${jobId}`, { headers })).json();
    };
    /** What is left of the job by the clock that the orchestrator sees, in seconds. */
    const leftOf = async (jobId: string) =>
      (Date.parse((await job(jobId)).deadline_at) - (Date.now() + offset * 1000)) / 1000;
    const untilLeft = async (jobId: string, least: number, most: number) => {
      // Some other request, which looks at the deadlines too.
      expect((await running.post({ action: 'list' })).status).toBe(202);
      await eventually(
        'it has its time',
        () => leftOf(jobId),
        (seconds) => seconds > least && seconds <= most,
      );
      expect((await job(jobId)).status).toBe('waiting_for_worker');
    };
    const start = { action: 'start', bot_id: 'echo', deployment_mode: 'simple', code: 'print(1)' };
    const { body } = await running.post(start);
    await untilLeft(body.job_id, 500, 601);
    setClock(hour);
    await untilLeft(body.job_id, 500, 601);
    setClock(-hour);
    await untilLeft(body.job_id, 500, 601);
    await running.kill();
    setClock(5 * hour);
    await running.start();
    await untilLeft(body.job_id, 400, 601);
    expect(running.log()).toContain('the clock of this machine was changed');
  });
});
