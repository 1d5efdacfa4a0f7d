/** What an actor reports of its bot: what is known now, put into words, and published when it has changed. */
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Stray } from '../runtime/strays.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf, runIdOf, seenBeforeRefusal } from './bot-memory.ts';
import { describeBot, describeWork, type Known, observeBot, saysTheSame, type Told } from './bot-state.ts';
import type { Situation } from './converge.ts';

// One failed look is not reported: the next one usually succeeds.
const failuresBeforeReport = 3;

export class BotReport {
  readonly #memory: BotMemory;
  readonly #context: BotContext;
  readonly #situation: () => Situation;
  #published: BotObservation | undefined;

  constructor(memory: BotMemory, context: BotContext, situation: () => Situation) {
    this.#memory = memory;
    this.#context = context;
    this.#situation = situation;
  }

  /** What is known now; UNKNOWN before the first look. */
  now(): BotObservation {
    return this.#observe() ?? this.#published ?? this.#notCheckedYet();
  }

  /** As describeWork. */
  ofWork(): Told | undefined {
    return describeWork(this.#known());
  }

  publish(): void {
    const observation = this.#observe();
    if (!observation || (this.#published && saysTheSame(this.#published, observation))) return;
    this.#published = observation;
    this.#context.onObservation(observation);
  }

  #observe(): BotObservation | undefined {
    const known = this.#known();
    const told = describeBot(known);
    return told && observeBot(this.#memory.key, known, told, this.#context.clock.wallMs());
  }

  #notCheckedYet(): BotObservation {
    const told = { state: BotState.UNKNOWN, reason: 'its worker has not checked it yet' };
    return observeBot(this.#memory.key, this.#known(), told, this.#context.clock.wallMs());
  }

  #known(): Known {
    const memory = this.#memory;
    const { record, preparing, watch, trouble, failures, making, stray, disk } = memory;
    const facts = factsOf(memory);
    return {
      situation: this.#situation(),
      record,
      facts,
      seenBeforeRefusal: seenBeforeRefusal(memory),
      disk: facts && disk?.runId === runIdOf(facts) ? disk : undefined,
      limitsDisk: this.#context.defaults.disk !== undefined,
      phase: preparing?.phase,
      startedAgain: watch?.again === true,
      strayReason: strayReason(this.#context.workerId, stray),
      trouble: failures >= failuresBeforeReport ? trouble : '',
      making,
    };
  }
}

/** What people read about a container of the bot that is not its worker's. */
export const strayReason = (workerId: string, stray: Stray | undefined): string =>
  `${stray?.running === true ? 'it runs, but' : 'its container has ended, and'} is no longer recognised by its worker, ` +
  `which has lost its DATA_DIR or key; the operator has to decide: avtomatika-bot worker adopt ${workerId} --list`;
