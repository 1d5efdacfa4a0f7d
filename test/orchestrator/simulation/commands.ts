/**
 * The commands of scenarios and of the simulation, as text. Each may come at any time: one that means nothing then does nothing.
 * docs/checklists/write-a-scenario.md lists them.
 */

import { cancelJob } from '../../../orchestrator/engine/accept.ts';
import { forgetWorker } from '../../../orchestrator/engine/forgetting.ts';
import { endFreeTask, giveBackTask, takeTask } from '../../../orchestrator/engine/free-tasks.ts';
import { beginMove } from '../../../orchestrator/engine/moving.ts';
import { checkHosts, checkSettled } from './invariants.ts';
import { type Outcome, outcomes } from './model-worker.ts';
import type { Host, World } from './world.ts';

class Line {
  readonly #words: readonly string[];

  constructor(text: string) {
    this.#words = text.trim().split(/\s+/);
  }

  /** The n-th non-option word, the command being 0; empty when there is none. */
  at(n: number): string {
    return this.#words.filter((word) => !word.includes('='))[n] ?? '';
  }

  has(word: string): boolean {
    return this.#words.includes(word);
  }

  /** The value of name=value; empty without. */
  option(name: string): string {
    return this.#words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  }
}

const keyOf = (text: string) => {
  const [userId = '', botId = ''] = text.split('/');
  return { userId, botId };
};

const durations: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

function durationOf(text: string): number {
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(text) ?? [];
  const unitMs = durations[unit];
  if (count === undefined || unitMs === undefined) throw new Error(`"${text}" is no duration: write 5s, 10m or 2h`);
  return Number(count) * unitMs;
}

type Command = (world: World, line: Line) => void;

/** A command about a worker that is known; of any other it does nothing. */
const ofHost = (run: (world: World, host: Host, line: Line) => void): Command => {
  return (world, line) => {
    const host = world.hosts.get(line.at(1));
    if (host !== undefined) run(world, host, line);
  };
};

const deploy =
  (action: 'start' | 'update'): Command =>
  (world, line) => {
    const token = line.option('token') || line.option('code-token');
    const deployment = {
      code: line.option('code') || '1',
      token,
      tokenInCode: line.option('code-token') !== '',
      memoryBytes: Number(line.option('memory') || 256),
      takeover: line.has('takeover'),
    };
    world.deploy(action, keyOf(line.at(1)), deployment, line.option('key'));
  };

const commands: Readonly<Record<string, Command>> = {
  // Users.
  start: deploy('start'),
  update: deploy('update'),
  configure: (world, line) =>
    world.configure(keyOf(line.at(1)), {
      token: line.option('token'),
      memoryBytes: Number(line.option('memory') || 0),
      takeover: line.has('takeover'),
    }),
  restart: (world, line) => void world.request(keyOf(line.at(1)), { action: 'restart', params: {} }),
  stop: (world, line) => void world.request(keyOf(line.at(1)), { action: 'stop', params: { notice: '' } }),
  delete: (world, line) =>
    void world.request(keyOf(line.at(1)), { action: 'delete', params: { purge: line.has('purge') } }),
  status: (world, line) => void world.request(keyOf(line.at(1)), { action: 'status', params: {} }),
  list: (world, line) => void world.request({ userId: line.at(1), botId: '' }, { action: 'list', params: {} }),
  logs: (world, line) => void world.request(keyOf(line.at(1)), { action: 'logs', params: { lines: 10 } }),
  process: (world, line) =>
    void world.request({ userId: line.at(1), botId: '' }, { action: '', params: { input: line.at(2) } }),
  cancel: (world, line) => {
    const jobId = world.trace.jobId(Number(line.at(1)));
    const job = jobId === undefined ? undefined : world.tables.jobs.get(jobId);
    if (job !== undefined) world.attempt((change, context) => cancelJob(context, change, job.userId, job.jobId));
  },

  // Operators.
  cordon: ofHost((world, { worker }, line) => {
    world.change(({ tx }) => tx.workers.setCordoned(worker.workerId, !line.has('off')));
    world.placeWaiting();
  }),
  drain: ofHost((world, { worker: { workerId } }) => {
    world.change(({ tx }) => tx.workers.setCordoned(workerId, true));
    for (const bot of world.tables.bots.ofWorker(workerId)) {
      const begun = world.attempt((change, context) => beginMove(context, change, bot, workerId));
      if (begun?.kind === 'stays') world.trace.line(`${bot.userId}/${bot.botId} stays: ${begun.reason}`);
    }
  }),
  forget: ofHost((world, host) => {
    // As AdminService.ForgetWorker: of a worker whose host is off.
    if (host.power || !world.isSilent(host.worker.workerId)) return;
    const freed = world.attempt((change, context) => forgetWorker(context, change, host.worker.workerId)) ?? [];
    for (const { userId, botId, outcome } of freed) world.trace.line(`${userId}/${botId} is ${outcome}`);
    world.placeWaiting();
  }),

  // Workers.
  join: (world, line) => world.join(world.host(line.at(1), Number(line.option('memory') || 1024), line.has('old'))),
  cut: ofHost((world, host) => world.cut(host)),
  freeze: ofHost((_world, host) => {
    host.frozen = true;
  }),
  thaw: ofHost((world, host) => {
    host.frozen = false;
    world.setReady(host, host.ready);
  }),
  ready: ofHost((world, host, line) => world.setReady(host, !line.has('not'))),
  kill: ofHost((world, host) => {
    world.cut(host);
    host.worker.kill();
  }),
  off: ofHost((world, host) => {
    world.cut(host);
    host.power = false;
    host.worker.powerOff();
  }),
  on: ofHost((_world, host) => {
    if (host.power) return;
    host.power = true;
    host.worker.powerOn();
  }),
  hear: ofHost((world, host, line) => {
    while (world.hear(host) && line.has('all')) {}
  }),
  tell: ofHost((world, host, line) => {
    while (world.take(host) && line.has('all')) {}
  }),
  repeat: ofHost((world, host) => world.repeat(host)),
  work: ofHost((world, host, line) => {
    const bot = host.worker.bots.get(line.at(2));
    const outcome = outcomes.find((one) => one === line.at(3)) ?? 'ok';
    if (bot !== undefined && host.power) host.worker.work(bot, outcome, (asking) => world.claim(host, asking));
  }),
  /** Receives, works and reports until nothing is left. */
  runs: ofHost((world, host, line) => {
    const outcome = outcomes.find((one) => one === line.at(2)) ?? 'ok';
    while (runOnce(world, host, outcome)) {}
  }),
  ends: ofHost((_world, host, line) => {
    const bot = host.worker.bots.get(line.at(2));
    if (bot !== undefined && host.power) host.worker.turn(bot, line.has('exit') ? 'exited' : 'crash_loop');
  }),
  recovers: ofHost((_world, host, line) => {
    const bot = host.worker.bots.get(line.at(2));
    if (bot !== undefined && host.power) host.worker.turn(bot, 'running');
  }),
  reconcile: ofHost((world, host) => world.reconcile(host)),
  /** What no worker may do: for trying the checks. */
  copies: ofHost((world, host, line) => {
    const other = world.hosts.get(line.at(2));
    for (const [key, bot] of host.worker.bots) other?.worker.bots.set(key, { ...bot });
  }),

  // Workers for tasks that are about no bot.
  takes: (world, line) => {
    const handed = world.change((change) => takeTask(change, line.at(1), ['process_data'], []));
    world.trace.line(`${line.at(1)} ${handed === undefined ? 'gets nothing' : `gets ${handed.type}`}`);
  },
  gives: (world, line) => {
    const task = world.tables.tasks.takenBy(line.at(1))[0];
    if (task !== undefined) world.change((change) => giveBackTask(change, line.at(1), task.taskId, 'it went away'));
  },
  finishes: (world, line) => {
    const task = world.tables.tasks.takenBy(line.at(1))[0];
    if (task === undefined) return;
    world.attempt((change, context) =>
      endFreeTask(context, change, line.at(1), task, { kind: 'success', data: { status: 'processed' } }),
    );
  },

  // The orchestrator, time, and what can be seen.
  crash: (world) => world.crash(),
  backup: (world) => world.backup(),
  'set-back': (world) => world.setBack(),
  'accept-restore': (world) => world.acceptRestore(),
  wait: (world, line) => world.wait(durationOf(line.at(1))),
  show: (world, line) => world.show(keyOf(line.at(1))),
  settle: (world) => settle(world),
};

/** One round of a worker. False when nothing has come of it. */
function runOnce(world: World, host: Host, outcome: Outcome): boolean {
  let any = world.hear(host);
  for (const bot of [...host.worker.bots.values()]) {
    if (host.power && host.worker.work(bot, outcome, (asking) => world.claim(host, asking))) any = true;
  }
  return world.take(host) || any;
}

const roundsMax = 2_000;

/** Everybody comes back and does what is to be done, until nothing is left; then what is must be what should be. */
export function settle(world: World): void {
  for (const host of world.hosts.values()) {
    if (!host.power) commands['on']?.(world, new Line(`on ${host.worker.workerId}`));
    host.frozen = false;
    host.ready = true;
    // The first set of a session is the whole truth; who has one needs no other.
    if (host.session === undefined) world.join(host);
    else world.setReady(host, true);
    commands['cordon']?.(world, new Line(`cordon ${host.worker.workerId} off`));
    for (const bot of host.worker.bots.values()) host.worker.turn(bot, 'running');
  }
  let rounds = 0;
  for (let quiet = 0; quiet < 3; quiet++) {
    for (let any = true; any; ) {
      any = false;
      for (const host of world.hosts.values()) if (runOnce(world, host, 'ok')) any = true;
      if (++rounds > roundsMax) throw new Error('it never settles: somebody always has something to do');
    }
    // What waits for a worker that can take nothing ends by its deadline.
    world.wait(quiet === 1 ? 660_000 : 12_000);
  }
  checkHosts(world.hosts.values(), world.tables);
  checkSettled(world.hosts.values(), world.tables, world.bots(), world.trace.jobs);
}

/**
 * Runs one command; `lost:` before it: its effects are lost with the orchestrator, `unsent:`: what it tells workers at once is lost. Throws
 * what its check finds.
 */
export function runCommand(world: World, text: string): void {
  const [, prefix, rest = text] = /^(lost|unsent):(.*)$/.exec(text) ?? [];
  const line = new Line(rest);
  const command = commands[line.at(0)];
  if (command === undefined) throw new Error(`there is no command "${line.at(0)}"`);
  if (prefix === 'lost') world.crashAfter(() => command(world, line));
  else if (prefix === 'unsent') world.unsent(() => command(world, line));
  else command(world, line);
  checkHosts(world.hosts.values(), world.tables);
}

export const commandNames: readonly string[] = Object.keys(commands);
