import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { it } from 'vitest';
import { createNatsServer } from '../nats/nats-server.ts';

it('brings up a nats-server and another program, and waits to be ended', async () => {
  const nats = await createNatsServer();
  await nats.start();
  const other = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  writeFileSync(
    process.env['BOTRUNNER_HELD'] ?? '',
    JSON.stringify({ folder: tmpdir(), port: nats.port, pid: other.pid }),
  );
  await new Promise(() => undefined);
});
