/** Ends what the process runtime of a killed worker left running, by the files that it keeps of each run. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

function recordsOf(dataDir: string): readonly string[] {
  const containers = join(dataDir, 'worker', 'process', 'containers');
  return readdirSync(containers).flatMap((name) =>
    readdirSync(join(containers, name))
      .filter((file) => file.startsWith('process.'))
      .map((file) => readFileSync(join(containers, name, file), 'utf8')),
  );
}

export function endBots(dataDirs: readonly string[]): void {
  for (const record of dataDirs.flatMap(recordsOf)) {
    const pid = Number(/\d+/.exec(record)?.[0]);
    try {
      if (pid > 1) process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // It had already ended on its own.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}
