/** What protects others from a bot, as `status` shows it. Pure. */
import type { JsonObject } from '#common/json.ts';
import { DiskKind, type Protection } from '#gen/botrunner/v1/bot_pb.js';
import { escapeControls } from './escape.ts';

/** What engines run containers with unless an operator sets RUNTIME_CLASS. */
const usualRuntimes = ['', 'runc', 'crun', 'io.containerd.runc.v2'];
/** The user of bots that do not bring an image of their own. */
const usualUsers = ['', '10001', '10001:10001'];

/** What is not as with most bots; undefined when everything is. */
export function protectionText(protection: Protection | undefined): string | undefined {
  if (protection === undefined) return undefined;
  const { readOnly, runtimeClass, user, disk } = protection;
  const parts = [
    ...(readOnly ? ['read-only root file system'] : []),
    ...(usualRuntimes.includes(runtimeClass) ? [] : [`runtime ${escapeControls(runtimeClass)}`]),
    ...(usualUsers.includes(user) ? [] : [`runs as ${escapeControls(user)}`]),
    ...(disk === DiskKind.SIZED ? ['/data of a fixed size'] : []),
    ...(disk === DiskKind.OFF ? ['no limit on disk space'] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** With the field names of REST; null where nothing is known. */
export const protectionJson = (protection: Protection | undefined): JsonObject | null =>
  protection === undefined
    ? null
    : {
        read_only: protection.readOnly,
        runtime_class: protection.runtimeClass || null,
        user: protection.user || null,
        disk: diskWord(protection.disk),
      };

/** A newer orchestrator may send a number that this program does not know. */
const diskWord = (kind: DiskKind): string | null =>
  kind === DiskKind.UNSPECIFIED ? null : (DiskKind[kind]?.toLowerCase() ?? null);
