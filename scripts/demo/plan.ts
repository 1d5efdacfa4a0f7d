/** Which bot the demo runs, and how: decided from what the probes found, as a value. Pure. */

export interface Found {
  /** The engine's version, or why there is none. */
  readonly engine: { readonly ok: boolean; readonly says: string };
  /** Images that are on the engine; undefined when there is no engine to ask. */
  readonly pythonImage: { readonly ok: boolean; readonly says: string } | undefined;
  readonly nodeImage: { readonly ok: boolean; readonly says: string } | undefined;
  /** Undefined when nothing depends on it. */
  readonly packageIndex: { readonly ok: boolean; readonly says: string } | undefined;
  /** A Python of this machine, for the process runtime. */
  readonly hostPython: string | undefined;
}

export interface DemoPlan {
  readonly runtime: 'docker' | 'process';
  /** Path in the checkout. */
  readonly bot: string;
  readonly requirements: readonly string[];
  /** One line for people. */
  readonly says: string;
}

export function planDemo(found: Found): DemoPlan {
  if (found.engine.ok && found.pythonImage?.ok && found.packageIndex?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot.py',
      requirements: ['aiogram>=3.0'],
      says: 'the aiogram bot in a Docker container',
    };
  }
  if (found.engine.ok && found.pythonImage?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot_stdlib.py',
      requirements: [],
      says: 'the bot without dependencies in a Docker container, because there is no package index',
    };
  }
  if (found.engine.ok && found.nodeImage?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot.mjs',
      requirements: [],
      says: 'the JavaScript bot in a Docker container, because only its base image is there',
    };
  }
  const why = found.engine.ok ? 'no base image is there' : 'there is no Docker engine';
  return found.hostPython !== undefined
    ? {
        runtime: 'process',
        bot: 'examples/bots/echo_bot_stdlib.py',
        requirements: [],
        says: `the Python bot without dependencies as a plain process, NOT ISOLATED, because ${why}`,
      }
    : {
        runtime: 'process',
        bot: 'examples/bots/echo_bot.mjs',
        requirements: [],
        says: `the JavaScript bot as a plain process, NOT ISOLATED, because ${why} and no Python`,
      };
}
