/**
 * Progress for people: a line per change, build output dimmed, and on a terminal one moving line at the bottom that shows
 * what is happening and for how long. Invariant: whatever is printed, the moving line is taken away before and drawn after it.
 */
import type { Writable } from 'node:stream';
import type { Clock } from '#common/clock.ts';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { type LogEntry, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { hasEnded } from '../calls/wait-for-job.ts';
import { escapeControls, plainOutput } from '../render/escape.ts';
import { actionWord, jobActivity } from '../render/job.ts';
import type { Style } from '../render/style.ts';
import type { Progress } from './progress.ts';

const isFurtherAttempt = (news: string): boolean => /, attempt \d+; the last one failed: /.test(news);

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const frameMs = 120;
// CR to the first column, then EL 2: erase the line (ECMA-48 8.3.41).
const eraseLine = '\r\u001b[2K';

export class TextProgress implements Progress {
  readonly #stream: Writable;
  readonly #style: Style;
  readonly #clock: Clock;
  readonly #columns: () => number;
  readonly #startedMs: number;
  #activity = '';
  #frame = 0;
  #drawn = false;
  #ended = false;
  #cancelTick: () => void = () => {};

  constructor(stream: Writable, style: Style, clock: Clock, columns: () => number) {
    this.#stream = stream;
    this.#style = style;
    this.#clock = clock;
    this.#columns = columns;
    this.#startedMs = clock.monotonicMs();
  }

  note(text: string): void {
    this.#print(escapeControls(text));
  }

  job(job: Job): void {
    if (hasEnded(job.status)) {
      // How it ended is the command's result and is not printed twice.
      this.end();
      return;
    }
    const news = jobActivity(job);
    const activity = news ?? actionWord(job);
    if (activity === this.#activity) return;
    this.#activity = activity;
    // That it continues is said by the moving line alone, and so is what a further attempt does: that it follows was printed.
    if (news === undefined || isFurtherAttempt(news)) this.#redraw();
    else this.#print(news);
  }

  buildOutput(entries: readonly LogEntry[]): void {
    for (const { stream, text } of entries) {
      const line = plainOutput(text);
      this.#print(stream === LogStream.GAP ? this.#style.yellow(`  | ${line}`) : this.#style.dim(`  | ${line}`));
    }
  }

  reconnecting(): void {
    const activity = 'Connection lost; reconnecting';
    if (activity === this.#activity) return;
    this.#activity = activity;
    this.#print(this.#style.yellow(activity));
  }

  end(): void {
    this.#ended = true;
    this.#cancelTick();
    this.#erase();
  }

  #print(line: string): void {
    this.#erase();
    this.#stream.write(`${line}\n`);
    this.#draw();
  }

  #redraw(): void {
    this.#erase();
    this.#draw();
  }

  #erase(): void {
    if (this.#drawn) this.#stream.write(eraseLine);
    this.#drawn = false;
  }

  #draw(): void {
    if (!this.#style.terminal || this.#ended || this.#activity === '') return;
    const seconds = Math.floor((this.#clock.monotonicMs() - this.#startedMs) / 1000);
    const line = `${frames[this.#frame % frames.length]} ${this.#activity} (${seconds} s)`;
    // A line that wraps could not be taken away whole. Code points, so that no character is cut in two.
    this.#stream.write(this.#style.dim([...line].slice(0, Math.max(1, this.#columns() - 1)).join('')));
    this.#drawn = true;
    this.#cancelTick();
    this.#cancelTick = this.#clock.after(frameMs, () => {
      this.#frame++;
      this.#redraw();
    });
  }
}
