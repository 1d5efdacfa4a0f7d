/** biome.json with the import walls in it, as text in the project's format. */
import { readFileSync } from 'node:fs';
import { checkoutPath } from '../process/checkout.ts';
import { run } from '../process/run.ts';
import { biomeOverrides } from './walls.ts';

/** What biome.json should hold. Everything but `overrides` is as the file has it. */
export async function wantedBiomeConfig(signal: AbortSignal): Promise<string> {
  const present: Record<string, unknown> = JSON.parse(readFileSync(checkoutPath('biome.json'), 'utf8'));
  const text = JSON.stringify({ ...present, overrides: biomeOverrides() });
  const formatted = await run('biome', ['format', '--stdin-file-path=biome.json'], { input: text, signal });
  if (formatted.code !== 0) throw new Error(`biome could not format biome.json:\n${formatted.output}`);
  return formatted.stdout;
}
