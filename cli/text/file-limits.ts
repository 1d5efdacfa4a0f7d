/** The orchestrator's limits, checked here so that nothing is uploaded for nothing. */

/** 200 MB, of the files and of the archive. */
export const sourceMaxBytes = 200 * 1000 * 1000;

/** Files, links and folders of one archive. */
export const entriesMax = 10_000;

/** Limit of an environment, requirements or ignore file; a longer one is something else. */
export const textFileMaxBytes = 1024 * 1024;
