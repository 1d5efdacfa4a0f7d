/** The reader of tars that came from users, which the orchestrator shares. */
export {
  defaultTarLimits,
  listSafeTar,
  readSafeTar,
  type SafeEntry,
  type TarLimits,
} from '#common/safe-tar.ts';
