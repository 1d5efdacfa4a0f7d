/** The bots of the fixture: small, without packages, for Node.js. */
export interface SampleBot {
  readonly files: Readonly<Record<string, string>>;
  readonly entrypoint: string;
  readonly requirements?: readonly string[];
}

const bot = (source: string): SampleBot => ({ files: { 'bot.mjs': source }, entrypoint: 'bot.mjs' });

/** Runs until it is stopped and prints `NAME N` twice a second. */
export const tickingBot = (name: string): SampleBot =>
  bot(`let n = 0;\nsetInterval(() => console.log(\`${name} \${++n}\`), 500);\n`);

export const exitingBot: SampleBot = bot("console.log('done');\n");

export const failingBot: SampleBot = bot("console.error('cannot go on');\nprocess.exit(3);\n");
