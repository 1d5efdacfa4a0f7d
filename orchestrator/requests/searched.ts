/** What the search of a source has found, as it is passed on: the tokens only as hashes. */
import type { SourceSecrets } from '#common/source-search/search.ts';
import type { SearchedSource } from '../engine/source-findings.ts';
import { tokenSha256 } from '../engine/token-ownership.ts';

export const searchedOf = ({ used, findings }: SourceSecrets): SearchedSource => ({
  tokenSha256s: [...used].map(tokenSha256),
  findings: findings(),
});
