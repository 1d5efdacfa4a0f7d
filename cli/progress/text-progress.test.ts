import { Writable } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createStyle } from '../render/style.ts';
import { logLines } from '../testing/fake-orchestrator.ts';
import { TextProgress } from './text-progress.ts';

function setUp(terminal: boolean, columns = 80) {
  let written = '';
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      written += chunk;
      done();
    },
  });
  const clock = createManualClock();
  const progress = new TextProgress(stream, createStyle({ terminal, colour: false }), clock, () => columns);
  return { progress, clock, written: () => written };
}

const job = (status: JobStatus, reason = '', state = 'start_bot') =>
  create(JobSchema, { status, reason, state, action: 'start' });
const erase = '\r\u001b[2K';

it('writes only lines, each change once and no bare state of the job, when stderr is no terminal', () => {
  const { progress, clock, written } = setUp(false);
  progress.note('Uploading 1 file (2.0 kB)');
  progress.job(job(JobStatus.PENDING));
  progress.job(job(JobStatus.WAITING_FOR_WORKER, 'no worker is connected'));
  progress.job(job(JobStatus.WAITING_FOR_WORKER, 'no worker is connected'));
  progress.job(job(JobStatus.RUNNING));
  progress.buildOutput(logLines(['Step 1/4', 'evil\u001b[2J\r'], LogStream.BUILD));
  clock.advance(10_000);
  progress.reconnecting();
  progress.reconnecting();
  progress.job(job(JobStatus.RUNNING, 'starting'));
  progress.job(job(JobStatus.COMPLETED, 'done'));
  progress.end();
  expect(written()).toBe(
    [
      'Uploading 1 file (2.0 kB)',
      'Waiting for a worker: no worker is connected',
      '  | Step 1/4',
      '  | evil',
      'Connection lost; reconnecting',
      'starting',
      '',
    ].join('\n'),
  );
});

it('moves a line at the bottom of a terminal and takes it away before every other line and at the end', () => {
  const { progress, clock, written } = setUp(true);
  progress.job(job(JobStatus.RUNNING, 'building'));
  expect(written()).toBe('building\n⠋ building (0 s)');
  clock.advance(120);
  expect(written()).toBe(`building\n⠋ building (0 s)${erase}⠙ building (0 s)`);
  clock.advance(1000);
  expect(written()).toMatch(/ building \(1 s\)$/);
  const before = written().length;
  progress.buildOutput(logLines(['Step 1/4'], LogStream.BUILD));
  expect(written().slice(before)).toMatch(/^\r\u001b\[2K {2}\| Step 1\/4\n. building \(1 s\)$/u);
  progress.end();
  expect(written().endsWith(erase)).toBe(true);
  const atEnd = written();
  clock.advance(10_000);
  progress.end();
  expect(written()).toBe(atEnd);
});

it('prints one line for each attempt that failed, not one for each step of the next', () => {
  const { progress, written } = setUp(false);
  for (const attempt of [2, 3]) {
    progress.job(
      job(JobStatus.RUNNING, `the image is not ready yet, attempt ${attempt} follows; the last one failed: no`),
    );
    for (const step of ['the source is being fetched', 'the image is being built'])
      progress.job(job(JobStatus.RUNNING, `${step}, attempt ${attempt}; the last one failed: no`));
  }
  expect(written()).toBe(
    'the image is not ready yet, attempt 2 follows; the last one failed: no\n' +
      'the image is not ready yet, attempt 3 follows; the last one failed: no\n',
  );
});

it('says with the moving line alone that a job continues without news', () => {
  const { progress, clock, written } = setUp(true);
  progress.job(job(JobStatus.RUNNING));
  expect(written()).toBe('⠋ Starting (0 s)');
  clock.advance(120);
  expect(written()).toBe(`⠋ Starting (0 s)${erase}⠙ Starting (0 s)`);
  progress.job(job(JobStatus.RUNNING, 'the image is being built'));
  expect(written()).toMatch(/\u001b\[2Kthe image is being built\n. the image is being built \(0 s\)$/);
});

it('cuts the moving line at the width of the terminal', () => {
  const { progress, written } = setUp(true, 10);
  progress.job(job(JobStatus.RUNNING, 'a very long reason'));
  expect(written()).toBe('a very long reason\n⠋ a very ');
});
