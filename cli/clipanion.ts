/**
 * The one importer of clipanion. Its file is named in full because the package also advertises an ES module build that does
 * not load (it imports a folder), which Vite, and with it vitest, would choose by the bare name.
 */
export type { BaseContext, Definition } from 'clipanion/lib/advanced/index.js';
export { Cli, Command, Option } from 'clipanion/lib/advanced/index.js';
