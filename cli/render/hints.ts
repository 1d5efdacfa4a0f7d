/**
 * The orchestrator's hints are written in the words of requests: `give "registry_auth"`, `with the action "list"`. People who
 * type commands want to read about options and commands instead. Pure.
 */
import { isProblemCode, type ProblemCode } from '#common/problem-codes.ts';

/** The command-line counterparts of request fields; the longest match comes first. */
const fieldWords: readonly (readonly [string, string])[] = [
  ['"takeover": true', '--takeover'],
  ['"move_token": true', '--move-token'],
  ['"leave_data": true', '--leave-data'],
  ['"replace_env": true', '--replace-env'],
  ['"read_only": true', '--read-only'],
  ['"pull": true', '--pull'],
  ['"on": {"zone": "eu"}', '--on zone=eu'],
  ['"on"', '--on'],
  ['"registry_auth"', '--registry-user and --registry-pass-stdin'],
  ['"git_auth"', 'user:token@ in the URL'],
  ['"docker_image"', '--image'],
  ['"archive_url"', '--custom URL'],
  ['"archive"', '--custom'],
  ['"git_repo"', '--git'],
  ['"git_branch"', '--branch'],
  ['"git_subdir"', '--subdir'],
  ['"build_args"', '--build-arg'],
  ['"target"', '--target'],
  ['"dockerfile"', '--dockerfile'],
  ['"code"', '--code'],
  ['"files"', '--simple'],
  ['"entrypoint"', '--entrypoint'],
  ['"runtime"', '--runtime'],
  ['"requirement_files"', '-r'],
  ['"requirements"', '-r'],
  ['"command"', '--command'],
  ['"env_vars"', '-e'],
  ['"resource_limits"', '--memory, --cpus and the like'],
  ['"stop_grace_seconds"', '--stop-grace'],
  ['"stop_signal"', '--stop-signal'],
  ['"pids"', '--pids'],
  ['"memory_mb"', '--memory'],
  ['"cpu_cores"', '--cpus'],
  ['"disk_mb"', '--disk'],
  ['"lines"', '-n'],
];

/** The names of requests that a hint for the command line must not have. */
export const requestWords: readonly string[] = fieldWords.map(([word]) => word.split(':')[0] ?? word);

/** Where the words of requests mean nothing to somebody typing commands. */
const ownHints: Readonly<Partial<Record<ProblemCode, string>>> = {
  UNAUTHENTICATED: 'Set AVTOMATIKA_TOKEN to your token, or give --token.',
  JOB_NOT_FOUND: 'Check the job id; events show it: avtomatika-bot events',
  ARTIFACT_NOT_FOUND: 'Run the command again: it uploads the files again.',
  MALFORMED_REQUEST: 'Use the command line and the orchestrator of the same release.',
};

/** The hint of a refusal or failure for people at a command line. */
export function hintFor(code: string, hint: string): string {
  const own = isProblemCode(code) ? ownHints[code] : undefined;
  if (own !== undefined && hint !== '') return own;
  const commands = hint.replace(/ the action "(\w+)"(\.$)?/g, (_, action: string) =>
    action === 'list' ? ': avtomatika-bot list' : `: avtomatika-bot ${action} BOT`,
  );
  return fieldWords.reduce((text, [word, option]) => text.replaceAll(word, option), commands);
}
