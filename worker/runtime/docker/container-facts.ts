/** An engine's answer about one container, as facts: undefined when it is not ours. Pure. */
import type { ContainerFacts, ContainerStatus } from '../container-runtime.ts';
import { diskLimitsOf } from '../disk-limits.ts';
import { settingsLabel } from '../settings-digest.ts';
import { type Owner, ownIdentity } from '../strays.ts';
import { number, record, text, texts } from './answers.ts';
import { demotedRemark, isDemoted } from './isolation/demotion.ts';
import { protectionOf } from './isolation/protection.ts';
import { parseTimeNs } from './output-frames.ts';

/** Reads the answer of GET /containers/{id}/json. */
export function containerFacts(answer: unknown, owner: Owner): ContainerFacts | undefined {
  const container = record(answer);
  const name = text(container['Name']).replace(/^\//, '');
  const config = record(container['Config']);
  const labels = texts(config['Labels']);
  const identity = ownIdentity(owner, { id: text(container['Id']), name, labels });
  if (!identity) return undefined;
  const state = record(container['State']);
  const status = statusOf(text(state['Status']));
  const exitCode = status === 'exited' ? number(state['ExitCode']) : undefined;
  return {
    id: text(container['Id']),
    name,
    key: identity.key,
    revision: identity.revision,
    epoch: identity.epoch,
    status,
    startedAtMs: timeMs(state['StartedAt']),
    finishedAtMs: status === 'running' ? undefined : timeMs(state['FinishedAt']),
    exitCode,
    // The engine sets OOMKilled too when only a child of the bot was killed; the bot itself ends with 137 then.
    oomKilled: state['OOMKilled'] === true && exitCode === 137,
    settings: labels[settingsLabel],
    ...(isDemoted(labels) && { remark: demotedRemark }),
    disk: diskLimitsOf(labels),
    protection: protectionOf(container),
  };
}

function statusOf(status: string): ContainerStatus {
  switch (status) {
    case 'created':
      return 'created';
    case 'running':
    case 'paused':
    case 'restarting':
      return 'running';
    default:
      // exited, dead, removing
      return 'exited';
  }
}

/** Undefined for 0001-01-01, the engine's "never". */
function timeMs(value: unknown): number | undefined {
  const time = text(value);
  if (time === '' || time.startsWith('0001-')) return undefined;
  return Number(parseTimeNs(time) / 1_000_000n);
}
