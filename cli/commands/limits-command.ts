/** The options that set limits, for the commands that take them. */
import { Option } from '../argv/clipanion.ts';
import { ConfiguringCommand } from './configuring-command.ts';

export abstract class LimitsCommand extends ConfiguringCommand {
  memory = Option.String('--memory', {
    description: 'Memory limit, such as 256m or 1g; "default" stands for that of the worker.',
  });
  cpus = Option.String('--cpus', {
    description: 'CPU limit in cores, such as 0.5; "default" stands for that of the worker.',
  });
  disk = Option.String('--disk', {
    description: 'Disk space for /data, such as 512m or 2g; "default" stands for that of the worker.',
  });
  pids = Option.String('--pids', {
    description: 'How many processes and threads it may have; "default" stands for 128.',
  });
  stopGrace = Option.String('--stop-grace', {
    description: 'How long it has to end before it is killed, 1s to 5m; "default" stands for 10s.',
  });
  stopSignal = Option.String('--stop-signal', {
    description:
      'What it is asked to end with, such as SIGINT; "default" stands for what its image says, else SIGTERM.',
  });
}
