/**
 * The one importer of clipanion. Its file is named in full because the package also has ES modules that Node.js cannot load
 * (one of them imports a folder), which Vite, and with it vitest, would choose by the bare name.
 */
export type { BaseContext, CommandClass, Definition, Usage } from 'clipanion/lib/advanced/index.js';
export { Cli, Command, Option } from 'clipanion/lib/advanced/index.js';
