/** How avtomatika-bot ends. Scripts rely on these numbers. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unhealthy: 3,
  unreachable: 4,
  unauthorised: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What each number means, for the docs. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'Done.',
  failed: 'Refused or failed.',
  usage: 'The command line is wrong.',
  unhealthy:
    'Done, but the bot is not healthy: it crashed, failed, is lost or has written too much, or its worker is silent.',
  unreachable: 'The orchestrator cannot be reached.',
  unauthorised: 'No token, an unknown token, or one of the wrong kind.',
  interrupted: 'Interrupted, for example by Ctrl-C.',
};
