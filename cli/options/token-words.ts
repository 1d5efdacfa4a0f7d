/** The words that the token commands take: whose token, its name, its scope. Pure. */
import { TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { closest } from '../argv/closest.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';

const scopes = { client: TokenScope.CLIENT, admin: TokenScope.ADMIN, worker: TokenScope.WORKER } as const;

/** The value of an option that the command cannot do without. Throws CliError, a usage error, for none. */
export function requireOption(command: string, option: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  const hint = `Write: avtomatika-bot ${command} --user USER --name NAME`;
  throw complain(exitCodes.usage, 'USAGE', `${command} needs ${option}.`, hint);
}

/** Throws CliError, a usage error, for a word that is not a scope. */
export function parseScope(word: string): TokenScope {
  const names = Object.keys(scopes);
  if (Object.hasOwn(scopes, word)) return scopes[word as keyof typeof scopes]; // one of its own keys
  const near = closest(word.toLowerCase(), names);
  const hint = near === undefined ? `Use ${names.join(', ')}.` : `Did you mean ${near}?`;
  throw complain(exitCodes.usage, 'INVALID_SCOPE', 'Unknown scope.', hint);
}

/** The word of a scope; a newer orchestrator may send one that this program does not know. */
export const scopeWord = (scope: TokenScope): string => (TokenScope[scope] ?? 'unspecified').toLowerCase();
