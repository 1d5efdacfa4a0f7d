/** Which secrets are in a stored source, and where: kept with it, sealed, since a source's file names are its owner's business. */
import type { Secret } from '#common/secret.ts';
import { type Finding, warningsOf } from '#common/source-search/findings.ts';
import { findingsBinding, openStored, sealStored } from '../store/seal.ts';
import type { Reading, Tables } from '../store/tables.ts';
import { putArtifactTokens } from './token-ownership.ts';

export interface SearchedSource {
  /** sha256 of each Telegram token that the bot may poll with. */
  readonly tokenSha256s: readonly string[];
  readonly findings: readonly Finding[];
}

/** Keeps what a search of an artifact has found. */
export function putSearched(
  sealKey: Secret<Uint8Array>,
  tx: Tables,
  sha256: string,
  { tokenSha256s, findings }: SearchedSource,
): void {
  putArtifactTokens(sealKey, tx, sha256, tokenSha256s);
  if (tx.artifacts.get(sha256)?.findingsSealed !== null) return;
  const text = Buffer.from(JSON.stringify(findings));
  tx.artifacts.setFindings(sha256, sealStored(sealKey, text, findingsBinding(sha256)));
}

/** What the user of an artifact should know, a line each. None where it was never searched, or what was found cannot be opened. */
export function warningsAbout(sealKey: Secret<Uint8Array>, tx: Reading, sha256: string): readonly string[] {
  const sealed = tx.artifacts.get(sha256)?.findingsSealed ?? null;
  if (sealed === null) return [];
  try {
    const text = Buffer.from(openStored(sealKey, sealed, findingsBinding(sha256))).toString();
    // Written by putSearched, and by nobody else: it is sealed.
    return warningsOf(JSON.parse(text) as readonly Finding[], true);
  } catch {
    // Another key: the source cannot be opened either, which is reported where it is needed.
    return [];
  }
}
