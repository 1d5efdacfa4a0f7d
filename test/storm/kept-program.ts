/** One of the platform's programs, which a storm kills, freezes and brings back. Notices when it ends on its own. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { endProgram, type Program, startProgram, untilUp } from '../../scripts/platform/children.ts';

const upMs = 60_000;
const triesMax = 20;

export class KeptProgram {
  readonly id: string;
  readonly logFile: string;
  /** Ends that nobody caused. */
  readonly deaths: string[] = [];
  readonly #name: Program['name'];
  readonly #env: NodeJS.ProcessEnv;
  #program: Program | undefined;
  #isEnding = false;

  constructor(id: string, name: Program['name'], logFile: string, env: NodeJS.ProcessEnv) {
    this.id = id;
    this.logFile = logFile;
    this.#name = name;
    this.#env = env;
  }

  get isRunning(): boolean {
    return this.#program !== undefined;
  }

  get pid(): number | undefined {
    return this.#program?.child.pid;
  }

  /** Started and up. A start that fails is tried again: its disk may be full just now. Throws when it never comes up. */
  async start(): Promise<void> {
    this.#isEnding = false;
    for (let tries = 1; ; tries++) {
      const program = startProgram(this.#name, { env: this.#env, logFile: this.logFile });
      try {
        await untilUp(program, AbortSignal.timeout(upMs));
        this.#program = program;
        void program.ended.then((code) => this.#noticeEnd(program, code));
        return;
      } catch (error) {
        await endProgram(program, 0);
        if (tries === triesMax || this.#isEnding) throw error;
        await pause(1_000);
      }
    }
  }

  async kill(): Promise<void> {
    const program = this.#program;
    if (program === undefined) return;
    this.#program = undefined;
    program.child.kill('SIGKILL');
    await program.ended;
  }

  freeze(): void {
    this.#program?.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#program?.child.kill('SIGCONT');
  }

  /** SIGTERM; returns the exit code. */
  async end(): Promise<number> {
    this.#isEnding = true;
    const program = this.#program;
    if (program === undefined) return 0;
    this.#program = undefined;
    return endProgram(program);
  }

  #noticeEnd(program: Program, code: number): void {
    if (this.#program !== program) return;
    this.#program = undefined;
    const tail = readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-3).join(' | ');
    this.deaths.push(`${this.id} ended by itself with code ${code}: ${tail.slice(-600)}`);
  }
}
