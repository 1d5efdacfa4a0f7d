/** Which bot the demo runs, and how: decided from what the probes found, as a value. Pure. */

export interface Found {
  /** The engine's version, or why there is none. */
  readonly engine: { readonly ok: boolean; readonly says: string };
  /** Images that are on the engine; undefined when there is no engine to ask. */
  readonly pythonImage: { readonly ok: boolean; readonly says: string } | undefined;
  readonly nodeImage: { readonly ok: boolean; readonly says: string } | undefined;
  /** Whether containers reach this machine, where the demo's Telegram is; undefined when there are none to try it. */
  readonly thisMachine: { readonly ok: boolean; readonly says: string } | undefined;
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
  const containers = found.engine.ok && found.thisMachine?.ok;
  if (containers && found.pythonImage?.ok && found.packageIndex?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot.py',
      requirements: ['aiogram>=3.0'],
      says: 'the aiogram bot in a Docker container',
    };
  }
  if (containers && found.pythonImage?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot_stdlib.py',
      requirements: [],
      says: 'the bot without dependencies in a Docker container, because there is no package index',
    };
  }
  if (containers && found.nodeImage?.ok) {
    return {
      runtime: 'docker',
      bot: 'examples/bots/echo_bot.mjs',
      requirements: [],
      says: 'the JavaScript bot in a Docker container, because only its base image is there',
    };
  }
  const why = whyNoContainers(found);
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

function whyNoContainers({ engine, pythonImage, nodeImage }: Found): string {
  if (!engine.ok) return 'there is no Docker engine';
  return pythonImage?.ok || nodeImage?.ok ? 'containers do not reach this machine' : 'no base image is there';
}
