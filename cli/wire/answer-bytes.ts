/** The longest message that is taken from an orchestrator: 10000 lines of a log fit well. */
export const answerBytesMax = 64 * 1024 * 1024;
