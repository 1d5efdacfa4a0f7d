/** Writes the pages of docs/ that come from code: npm run docs */
import { pages } from './generated/files.ts';
import { write } from './generated/write.ts';
import { interrupted } from './process/interrupted.ts';

await write(pages, interrupted());
