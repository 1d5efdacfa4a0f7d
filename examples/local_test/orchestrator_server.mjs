#!/usr/bin/env node
// Terminal 1 of the test without Docker: the orchestrator on http://localhost:8000 (PORT) with development tokens.
//
//     node examples/local_test/orchestrator_server.mjs
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const child = spawn(process.execPath, ['scripts/bootstrap.mjs', 'orchestrator/main.ts'], {
  cwd: checkout,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 130);
});
