import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { warningsOf } from '#common/source-search/findings.ts';
import { JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { renderStarted } from './job.ts';
import { createStyle } from './style.ts';

it('warns of a token in the code in the words of the command line', () => {
  const warnings = [...warningsOf([{ kind: 'telegram', file: 'bot.py', line: 2, isUsed: true }], true)];
  const job = create(JobSchema, { botId: 'b', status: JobStatus.COMPLETED, result: { status: 'started', warnings } });
  const { text } = renderStarted(job, createStyle({ terminal: false, colour: false }));
  expect(text).toContain('bot.py:2: anyone who gets the source can use it; deploy again with --move-token to move it');
  expect(text).not.toContain('move_token');
});
