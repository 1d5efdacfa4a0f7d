/** The orchestrator as real programs, one with TLS where there is an openssl, and what is asked of them after each batch. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProgram, startProgram } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import { eventually } from '../kit/eventually.ts';
import type { Ports } from './drive.ts';

export interface FuzzedPrograms {
  readonly ports: Ports;
  /** Throws when a program has ended, does not answer, or has logged an error. */
  check(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Fuzzed {
  readonly port: number;
  check(): Promise<void>;
  end(): Promise<void>;
}

export async function startFuzzedPrograms(): Promise<FuzzedPrograms> {
  const dir = mkdtempSync(join(tmpdir(), 'fuzz-'));
  const certificate = makeCertificate(dir);
  const programs: Fuzzed[] = [];
  const end = async () => {
    for (const program of programs) await program.end();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    programs.push(await start(join(dir, 'plain'), {}));
    if (certificate !== undefined) programs.push(await start(join(dir, 'secure'), certificate));
  } catch (error) {
    await end();
    throw error;
  }
  return {
    ports: { cleartext: programs[0]?.port ?? 0, tls: programs[1]?.port },
    async check() {
      for (const program of programs) await program.check();
    },
    [Symbol.asyncDispose]: end,
  };
}

async function start(dir: string, tls: Readonly<Record<string, string>>): Promise<Fuzzed> {
  mkdirSync(dir);
  const port = await freePort();
  const logFile = join(dir, 'log');
  // No quota: a request that is right by chance starts nothing.
  const env = { ...process.env, LOG_LEVEL: 'error', MAX_BOTS_PER_USER: '0', PORT: String(port), DATA_DIR: dir, ...tls };
  const program = startProgram('orchestrator', { env, logFile });
  const secure = tls['TLS_CERT'] !== undefined;
  try {
    const up = () => healthy(port, secure).then(() => true);
    await eventually('the orchestrator answers', up, Boolean, { timeoutMs: 30_000 });
  } catch (error) {
    await endProgram(program);
    throw error;
  }
  return {
    port,
    async check() {
      const errors = readFileSync(logFile, 'utf8').trim();
      if (errors !== '') throw new Error(`an error was logged: ${errors.slice(0, 3_000)}`);
      await healthy(port, secure);
    },
    async end() {
      await endProgram(program);
    },
  };
}

function makeCertificate(dir: string): Readonly<Record<string, string>> | undefined {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  try {
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert, '-subj', '/CN=localhost'], { stdio: 'ignore' });
  } catch {
    return undefined; // no openssl: the port in cleartext alone is tried
  }
  return { TLS_CERT: cert, TLS_KEY: key };
}

function healthy(port: number, secure: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      // The addresses that the odd requests come from, 127.0.0.1 to 200, may be refused for a while.
      localAddress: '127.0.0.250',
      port,
      path: '/health',
      agent: false,
      timeout: 10_000,
      rejectUnauthorized: false,
    };
    const request = (secure ? https : http).get(options, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`GET /health was answered with ${response.statusCode}`));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', (error) => reject(new Error(`GET /health is not answered: ${error.message}`)));
  });
}
