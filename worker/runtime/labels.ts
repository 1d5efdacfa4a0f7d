/**
 * The labels that say whose a container is, and the signature that makes them trustworthy. Anyone who may use the
 * engine can put labels on a container, and images hand theirs down; so a container counts as ours only with a valid `sig`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type BotKey, botIdPattern, containerName, userIdPattern, workerIdPattern } from '#common/ids.ts';
import type { Secret } from '#common/secret.ts';

export const labelNames = {
  marker: 'bot_runner',
  userId: 'user_id',
  botId: 'bot_id',
  workerId: 'worker_id',
  generation: 'generation',
  epoch: 'epoch',
  startedAt: 'started_at',
  signature: 'sig',
} as const;

export type ContainerLabels = Readonly<Record<string, string>>;

/** What the labels of one container say. `revision` is the label `generation`. */
export interface ContainerIdentity {
  readonly key: BotKey;
  readonly workerId: string;
  readonly revision: bigint;
  readonly epoch: bigint;
  /** When the container was created, RFC 3339 UTC. */
  readonly startedAt: string;
}

/** Key of the HMAC; local to one worker and kept with its id. */
export type SigningKey = Secret<Uint8Array>;

const signedNames = [
  labelNames.marker,
  labelNames.userId,
  labelNames.botId,
  labelNames.workerId,
  labelNames.generation,
  labelNames.epoch,
  labelNames.startedAt,
] as const;

const countPattern = /^(?:0|[1-9][0-9]{0,18})$/;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

/** All labels of a container of that name, with its signature. */
export function signedLabels(key: SigningKey, containerName: string, identity: ContainerIdentity): ContainerLabels {
  const labels: Record<string, string> = {
    [labelNames.marker]: 'true',
    [labelNames.userId]: identity.key.userId,
    [labelNames.botId]: identity.key.botId,
    [labelNames.workerId]: identity.workerId,
    [labelNames.generation]: identity.revision.toString(),
    [labelNames.epoch]: identity.epoch.toString(),
    [labelNames.startedAt]: identity.startedAt,
  };
  return { ...labels, [labelNames.signature]: sign(key, containerName, labels).toString('hex') };
}

/**
 * What the labels say, or undefined when they are not of this worker, not well formed or not signed for that name.
 * ContainerLabels of other names are ignored: an image hands its own down to its containers.
 */
export function verifiedIdentity(
  key: SigningKey,
  containerName: string,
  workerId: string,
  labels: ContainerLabels,
): ContainerIdentity | undefined {
  const value = (name: string): string => (Object.hasOwn(labels, name) ? (labels[name] ?? '') : '');
  if (value(labelNames.marker) !== 'true' || value(labelNames.workerId) !== workerId) return undefined;
  const given = Buffer.from(value(labelNames.signature), 'hex');
  const right = sign(key, containerName, labels);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  return parseIdentity(value);
}

/** What the labels say, signed or not; undefined when they are not those of a bot's container of that name. */
export function claimedIdentity(name: string, labels: ContainerLabels): ContainerIdentity | undefined {
  const value = (label: string): string => (Object.hasOwn(labels, label) ? (labels[label] ?? '') : '');
  if (value(labelNames.marker) !== 'true') return undefined;
  const identity = parseIdentity(value);
  return identity && containerName(identity.key) === name ? identity : undefined;
}

/** A valid signature over malformed labels cannot come from signedLabels; checked anyway, since others rely on it. */
function parseIdentity(value: (name: string) => string): ContainerIdentity | undefined {
  const identity = {
    userId: value(labelNames.userId),
    botId: value(labelNames.botId),
    workerId: value(labelNames.workerId),
    generation: value(labelNames.generation),
    epoch: value(labelNames.epoch),
    startedAt: value(labelNames.startedAt),
  };
  if (!userIdPattern.test(identity.userId) || !botIdPattern.test(identity.botId)) return undefined;
  if (!workerIdPattern.test(identity.workerId) || !timePattern.test(identity.startedAt)) return undefined;
  if (!countPattern.test(identity.generation) || !countPattern.test(identity.epoch)) return undefined;
  return {
    key: { userId: identity.userId, botId: identity.botId },
    workerId: identity.workerId,
    revision: BigInt(identity.generation),
    epoch: BigInt(identity.epoch),
    startedAt: identity.startedAt,
  };
}

// JSON of a fixed list of pairs is canonical and unambiguous, whatever characters the inputs hold.
function sign(key: SigningKey, containerName: string, labels: ContainerLabels): Buffer {
  const pairs = signedNames.map((name) => [name, Object.hasOwn(labels, name) ? labels[name] : null]);
  return createHmac('sha256', key.reveal())
    .update(JSON.stringify(['bot-runner labels 1', containerName, pairs]))
    .digest();
}
