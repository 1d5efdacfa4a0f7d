/**
 * Loaded ahead of a program (node --expose-gc --import): SIGUSR2 collects its garbage and writes what is left, in bytes, to
 * the file that HEAP_FILE names.
 */
import { renameSync, writeFileSync } from 'node:fs';

process.on('SIGUSR2', () => {
  const { gc } = globalThis as { gc?: () => void }; // there with --expose-gc
  for (let n = 0; n < 3; n++) gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const file = process.env['HEAP_FILE'];
  if (file === undefined) throw new Error('HEAP_FILE is not set');
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, file);
});
