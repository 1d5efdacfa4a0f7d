/** What one follower has shown: how late, how fast, and whether it is what was printed. */
import type { Printing } from './bot.ts';
import type { Hole } from './losses.ts';

export class Shown {
  readonly name: string;
  /** Printed -> shown, ms; emptied by whoever begins a measurement. */
  pingsMs: number[] = [];
  /** Lines of the present flood that came for the first time; those that came again; those with other bytes than were printed. */
  lines = 0;
  doubled = 0;
  wrong = 0;
  /** Lines that came after one with a higher number. */
  misplaced = 0;
  /** How often it said that lines are missing. */
  gaps = 0;
  /** Whether anything was shown. */
  isReady = false;
  lastAtMs = 0;
  #flood = 0;
  #last = 0;
  #seen = new Uint8Array(0);
  #jumps: Hole[] = [];
  /** Whether the line before this one said that lines are missing. */
  #isMarked = false;
  #rest = '';
  readonly #printing: Printing;
  readonly #pad: string;

  constructor(name: string, printing: Printing) {
    this.name = name;
    this.#printing = printing;
    this.#pad = '.'.repeat(printing.bytes);
  }

  /** From now on only lines of this flood count. */
  expect(flood: number): void {
    this.#flood = flood;
    this.#last = 0;
    this.#seen = new Uint8Array(this.#printing.lines + 1);
    this.#jumps = [];
    Object.assign(this, { lines: 0, doubled: 0, wrong: 0, misplaced: 0, gaps: 0, lastAtMs: performance.now() });
  }

  /** The lines of the present flood that have not come. Lines that came late, after a later one, do not count. */
  holes(): readonly Hole[] {
    const end = { first: this.#last + 1, last: this.#printing.lines, atMs: performance.now(), isMarked: false };
    return [...this.#jumps, end].flatMap((jump) => this.#missing(jump));
  }

  #missing({ first, last, ...jump }: Hole): readonly Hole[] {
    const holes: Hole[] = [];
    let from = first;
    for (let n = first; n <= last + 1; n += 1) {
      if (n <= last && this.#seen[n] !== 1) continue;
      if (n > from) holes.push({ ...jump, first: from, last: n - 1 });
      from = n + 1;
    }
    return holes;
  }

  get isWhole(): boolean {
    return this.lines === this.#printing.lines;
  }

  /** Text as it came. */
  push(text: string): void {
    const nowMs = performance.now();
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) this.#line(part, nowMs);
  }

  line(text: string): void {
    this.#line(text, performance.now());
  }

  #line(text: string, nowMs: number): void {
    this.isReady = true;
    if (text.startsWith('[gap] ')) {
      this.gaps += 1;
      this.#isMarked = true;
      return;
    }
    if (text.startsWith('ping ')) this.pingsMs.push(performance.timeOrigin + nowMs - Number(text.slice(5)) / 1e6);
    const space = text.indexOf(' ');
    if (Number.parseInt(text, 10) !== this.#flood || space < 0) return;
    const n = Number.parseInt(text.slice(space + 1), 10);
    if (!(n > 0 && n < this.#seen.length)) return;
    this.lastAtMs = nowMs;
    if (this.#seen[n] === 1) this.doubled += 1;
    else this.lines += 1;
    this.#seen[n] = 1;
    if (n < this.#last) this.misplaced += 1;
    else if (n > this.#last + 1) {
      this.#jumps.push({ first: this.#last + 1, last: n - 1, atMs: nowMs, isMarked: this.#isMarked });
    }
    this.#isMarked = false;
    this.#last = Math.max(n, this.#last);
    if (text !== `${this.#flood} ${n} ${this.#pad}`.slice(0, this.#printing.bytes - 1)) this.wrong += 1;
  }
}
