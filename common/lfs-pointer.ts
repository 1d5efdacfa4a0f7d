/**
 * Files that stand for others: git keeps what Git LFS manages as a small text that names the real file, and a clone made
 * without Git LFS has only that text. Format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
 */
import type { SafeEntry } from './safe-tar.ts';

/** "Pointer files must be less than 1024 bytes in size." */
export const lfsPointerMaxBytes = 1024;
const pointerPattern =
  /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:/;

/** The same of a text that is short enough. */
export const isLfsPointerText = (text: string): boolean => pointerPattern.test(text);

/** Whether the file is such a pointer; reads its content if it is small enough to be one. */
export async function isLfsPointer(file: Pick<SafeEntry, 'sizeBytes' | 'content'>): Promise<boolean> {
  if (file.sizeBytes === 0 || file.sizeBytes >= lfsPointerMaxBytes) return false;
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.content) chunks.push(chunk);
  return isLfsPointerText(Buffer.concat(chunks).toString());
}
