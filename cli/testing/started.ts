/** What a start on the command line sends to the orchestrator. */
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { FakeOrchestrator } from './fake-orchestrator.ts';
import { type RunOptions, runCli, type Told } from './run-cli.ts';

export interface Started extends Told {
  readonly orchestrator: FakeOrchestrator;
  readonly source: unknown;
  readonly artifact: Buffer | undefined;
}

/** Starts the bot b by these words, without waiting for its end. */
export async function start(words: readonly string[], options: RunOptions = {}): Promise<Started> {
  const orchestrator = options.orchestrator ?? new FakeOrchestrator();
  const told = await runCli(['start', 'b', '--no-wait', ...words], { ...options, orchestrator });
  const source = orchestrator.starts[0]?.spec?.source;
  return { ...told, orchestrator, source, artifact: [...orchestrator.artifacts.values()][0] };
}

/** Name and content; of a link, where it leads. */
export async function filesIn(archive: Buffer | undefined): Promise<Record<string, string>> {
  const extract = tar.extract();
  Readable.from([archive ?? Buffer.alloc(0)]).pipe(extract);
  const files: Record<string, string> = {};
  for await (const entry of extract) {
    const pieces: Buffer[] = [];
    for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece);
    files[entry.header.name] = entry.header.linkname ?? String(Buffer.concat(pieces));
  }
  return files;
}
