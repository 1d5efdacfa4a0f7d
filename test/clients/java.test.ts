/** The Java client of examples/clients/java: generated in managed mode, compiled by Maven, and run against the real port. */
import { chmodSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { clientToken, startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';
import { checkOutClient } from './client-checkout.ts';

const folder = 'examples/clients/java';
const notToBeHad = /ENOENT|JAVA_HOME|release version \d+ not supported|Could not (?:find|transfer|resolve)|UnknownHost/;

it('the Java client lists, reads a refusal, and sees its deadline', { timeout: 600_000 }, async ({ skip }) => {
  using client = checkOutClient('java');
  const maven = async (...goals: string[]) => {
    const words = ['-q', '-B', '-f', folder, `-Dmaven.repo.local=${join(defaultCacheDir, 'maven')}`, ...goals];
    const end = await client.run('mvn', words);
    if (end.code !== 0 && notToBeHad.test(`${end.code} ${end.output}`)) {
      skip(`Maven or its packages are not to be had: ${end.code} ${end.output.slice(0, 300)}`);
    }
    expect(end).toMatchObject({ code: 0 });
  };
  await maven('dependency:copy@generators');
  for (const name of ['protoc', 'protoc-gen-grpc-java']) chmodSync(client.path(folder, 'generators', name), 0o755);
  const generated = await client.buf(['generate', '--template', `${folder}/buf.gen.yaml`, '--path', 'proto/botrunner']);
  expect(generated).toMatchObject({ code: 0 });
  await maven('compile');
  await using orchestrator = await startTestOrchestrator();
  const classPath = ['target/classes', 'target/lib/*'].map((path) => client.path(folder, path)).join(delimiter);
  const end = await client.run('java', ['-cp', classPath, 'client.Client'], {
    AVTOMATIKA_ADDRESS: orchestrator.address,
    AVTOMATIKA_TOKEN: clientToken,
  });
  expect(end).toMatchObject({ code: 0 });
  expect(end.stdout.trim().split('\n')).toEqual([
    'bots: 0 of 3',
    'refused: NOT_FOUND BOT_NOT_FOUND: List your bots with the action "list".',
    'watched: DEADLINE_EXCEEDED',
  ]);
});
