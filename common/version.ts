/** The version of this package, and the worker session protocols it speaks. */
import packageJson from '../package.json' with { type: 'json' };

export const version: string = packageJson.version;

/** Session protocols: see WorkerService.Session. */
export const protocolMin = 1;
export const protocolMax = 1;
