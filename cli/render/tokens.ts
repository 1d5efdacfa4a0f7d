/** Tokens as people and scripts see them, without their values. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { Token } from '#gen/botrunner/v1/admin_service_pb.js';
import { scopeWord } from '../options/token-words.ts';
import { exactTime, timeText } from './bots.ts';
import { escapeControls } from './escape.ts';
import { renderTable } from './table.ts';

/** The table of `token list`; the last column says where it is revoked: by an admin here, or in the settings. */
export function renderTokens(tokens: readonly Token[]): string {
  if (tokens.length === 0) return 'No tokens.';
  const rows = tokens.map((token) => [
    escapeControls(token.userId),
    escapeControls(token.name),
    scopeWord(token.scope),
    timeText(token.createdAt) ?? '-',
    token.configured ? 'settings' : 'admin',
  ]);
  return renderTable(['USER', 'NAME', 'SCOPE', 'MADE', 'MADE BY'], rows);
}

export const tokenJson = (token: Token): JsonObject => ({
  user_id: token.userId,
  name: token.name,
  scope: scopeWord(token.scope),
  created_at: exactTime(token.createdAt),
  configured: token.configured,
});
