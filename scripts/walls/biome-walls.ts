/** biome.walls.json, which biome.json extends, as text. Not in Biome's own format: it has to be there before Biome can run. */
import { biomeOverrides } from './walls.ts';

export const biomeWalls = (): string => `${JSON.stringify({ overrides: biomeOverrides() }, null, 2)}\n`;
