/** Tokens that everybody can read in the docs: for one machine and its developer. */

export const developmentTokens = {
  CLIENT_TOKEN: 'test-client-token',
  ADMIN_TOKEN: 'test-admin-token',
  WORKER_TOKEN: 'test-worker-token',
} as const;

const words: readonly string[] = Object.values(developmentTokens);

export const isDevelopmentToken = (token: string): boolean => words.includes(token);

/** Shorter ones may be words that people think of. */
export const ownTokenMinChars = 32;
