/** Every command, in the order of the help page. A class is loaded when its command is given, and not before. */

import type { CommandClass } from '../argv/clipanion.ts';
import type { CommandSpec } from '../argv/command-spec.ts';
import type { CliContext } from '../calls/context.ts';
import { specOf } from './register.ts';

type Load = () => Promise<CommandClass<CliContext>>;

/** After a change here or in a class: npm run generate, which writes cli/command-specs.json. */
const loaders: Readonly<Record<string, Load>> = {
  start: async () => (await import('./start.ts')).StartCommand,
  update: async () => (await import('./update.ts')).UpdateCommand,
  'env list': async () => (await import('./env-list.ts')).EnvListCommand,
  'env set': async () => (await import('./env-set.ts')).EnvSetCommand,
  'env unset': async () => (await import('./env-unset.ts')).EnvUnsetCommand,
  'env import': async () => (await import('./env-import.ts')).EnvImportCommand,
  'limits show': async () => (await import('./limits-show.ts')).LimitsShowCommand,
  'limits set': async () => (await import('./limits-set.ts')).LimitsSetCommand,
  restart: async () => (await import('./restart.ts')).RestartCommand,
  stop: async () => (await import('./stop.ts')).StopCommand,
  delete: async () => (await import('./delete.ts')).DeleteCommand,
  logs: async () => (await import('./logs.ts')).LogsCommand,
  events: async () => (await import('./events.ts')).EventsCommand,
  list: async () => (await import('./list.ts')).ListCommand,
  usage: async () => (await import('./usage.ts')).UsageCommand,
  status: async () => (await import('./status.ts')).StatusCommand,
  job: async () => (await import('./job.ts')).JobStatusCommand,
  cancel: async () => (await import('./cancel.ts')).CancelCommand,
  doctor: async () => (await import('./doctor.ts')).DoctorCommand,
  'token add': async () => (await import('./token-add.ts')).TokenAddCommand,
  'token list': async () => (await import('./token-list.ts')).TokenListCommand,
  'token revoke': async () => (await import('./token-revoke.ts')).TokenRevokeCommand,
  'worker list': async () => (await import('./worker-list.ts')).WorkerListCommand,
  'worker cordon': async () => (await import('./worker-cordon.ts')).WorkerCordonCommand,
  'worker uncordon': async () => (await import('./worker-cordon.ts')).WorkerUncordonCommand,
  'worker drain': async () => (await import('./worker-drain.ts')).WorkerDrainCommand,
  'worker revoke': async () => (await import('./worker-revoke.ts')).WorkerRevokeCommand,
  'worker readmit': async () => (await import('./worker-revoke.ts')).WorkerReadmitCommand,
  'worker adopt': async () => (await import('./worker-adopt.ts')).WorkerAdoptCommand,
  'worker forget': async () => (await import('./worker-forget.ts')).WorkerForgetCommand,
};

/** The class of a command, by the name of its spec. */
export function loadCommand(name: string): Promise<CommandClass<CliContext>> {
  const load = loaders[name];
  if (load === undefined) throw new Error(`there is no command ${name}`);
  return load();
}

/** The specs as the classes have them now. */
export const readCommandSpecs = (): Promise<readonly CommandSpec[]> =>
  Promise.all(Object.values(loaders).map(async (load) => specOf(await load())));
