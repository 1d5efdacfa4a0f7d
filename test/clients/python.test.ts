/** The Python client of examples/clients, with Debian's python3-grpcio, against the real programs. */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { clientPackages, runReadmeClient } from './readme-client.ts';

describe('the Python client', () => {
  it('deploys a bot, watches its job, follows its log and reads a typed error', { timeout: 180_000 }, async ({
    skip,
  }) => {
    const tree = await clientPackages('python').catch((error: unknown) => {
      // A machine that is not a Debian, or cannot reach its archive.
      return skip(
        `Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const packages = join(tree.root, 'usr/lib/python3/dist-packages');
    const stdout = await runReadmeClient({
      language: 'python',
      tree,
      env: (stubs) => ({ PYTHONPATH: [stubs, packages].join(delimiter), PYTHONDONTWRITEBYTECODE: '1' }),
    });
    expect(stdout).toMatch(/^uploaded \d+ bytes$/m);
    expect(stdout).toMatch(/^job completed: JOB_STATUS_COMPLETED$/m);
    expect(stdout).toMatch(/^log: line 1$/m);
    expect(stdout).toContain('refused: NOT_FOUND BOT_NOT_FOUND: List your bots with the action "list".');
    expect(stdout).toMatch(/^stopped: stopped$/m);
  });
});

const watch60 = `
import grpc, sys
from concurrent.futures import ThreadPoolExecutor
channel = grpc.insecure_channel(sys.argv[1])
watch = channel.unary_stream('/botrunner.v1.BotService/WatchBots')
def once(_):
    try:
        for _ in watch(b'', timeout=0.25, metadata=[('authorization', 'Bearer test-client-token')]): pass
        return 'complete'
    except grpc.RpcError as error:
        return error.code().name
with ThreadPoolExecutor(60) as pool:
    print(sorted(set(pool.map(once, range(60)))))
`;

it('60 streams of grpcio end with DEADLINE_EXCEEDED', { timeout: 120_000 }, async ({ skip }) => {
  const tree = await clientPackages('python').catch((error: unknown) =>
    skip(`Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`),
  );
  await using orchestrator = await startTestOrchestrator();
  const { stdout } = await promisify(execFile)('python3', ['-c', watch60, orchestrator.address], {
    env: {
      ...process.env,
      PATH: [tree.programPath(), process.env['PATH']].join(delimiter),
      LD_LIBRARY_PATH: (await tree.libraryFolders()).join(delimiter),
      PYTHONPATH: join(tree.root, 'usr/lib/python3/dist-packages'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  expect(stdout.trim()).toBe("['DEADLINE_EXCEEDED']");
});
