/**
 * What a worker says in Hello that it can do, and what the orchestrator asks of the worker it places a bot on. One list for both:
 * a name that only one of them knows would be a bot that is never placed. Names are part of the protocol and never change.
 */
export const capabilities = {
  simple: 'mode.simple',
  custom: 'mode.custom',
  image: 'mode.image',
  python: 'language.python',
  node: 'language.node',
  /** Counts a deadline as what is left of it. */
  deadlineRemaining: 'deadline.remaining',
  /** Ends the process and starts the same container again. */
  restartInPlace: 'restart.in_place',
  /** Builds, then asks for the Telegram token before it starts. */
  claimTokens: 'takeover.claim',
  /** Carries out what an operator decides about containers that are not its own. */
  adopt: 'adopt',
  /** Takes what has changed of its desired set, and asks for the whole if that does not fit. */
  desiredChanges: 'desired.changes',
  /** Installs from requirement files of the bot. */
  requirementFiles: 'requirements.files',
  /** Runs a command instead of a file. */
  runCommand: 'run.command',
  /** Makes containers whose root file system is read-only. */
  readOnly: 'container.read_only',
  /** Builds with build arguments, up to a stage, by another Dockerfile. */
  buildOptions: 'build.options',
  /** Takes a bot's own limit on processes. */
  limitPids: 'limits.pids',
  /** Ends a bot with the signal that it asks for. */
  stopSignal: 'stop.signal',
} as const;

export type Capability = (typeof capabilities)[keyof typeof capabilities];
