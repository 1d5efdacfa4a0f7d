/** The first code of the packed program: what comes after it is compiled once per user and version of Node.js. */
import { enableCompileCache } from '../bin/compile-cache.js';

enableCompileCache();
void import('../main.ts');
