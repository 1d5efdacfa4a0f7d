/** All rules, in order: the first that fits explains. Specific rules come before general ones. */
import { discordRules } from './discord.ts';
import { nodeRules } from './node.ts';
import { lastPackageRules, packageRules } from './packages.ts';
import { pythonRules } from './python.ts';
import type { Rule } from './rule.ts';
import { localhostRules, systemRules } from './system.ts';
import { telegramRules } from './telegram.ts';

const all: readonly Rule[] = [
  ...localhostRules,
  ...telegramRules,
  ...discordRules,
  ...pythonRules,
  ...nodeRules,
  ...packageRules,
  ...systemRules,
  ...lastPackageRules,
];

export const runRules: readonly Rule[] = all.filter(({ at }) => at !== 'build');
export const buildRules: readonly Rule[] = all.filter(({ at }) => at !== 'run');
