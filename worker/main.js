/** The worker program for any Node.js: runs main.ts with one that can, and refuses in one line with one that cannot. */
import { startMain } from '../common/start-main.js';

await startMain('worker', new URL('./main.ts', import.meta.url).href);
