/** Telegram bot tokens in a bot's environment. Pure. */

// https://core.telegram.org/bots/api#authorizing-your-bot. Placeholders such as "123:ABC" and "your_token" do not fit.
const pattern = /^[0-9]{6,12}:[A-Za-z0-9_-]{30,64}$/;

/** The values that are Telegram tokens, each once. Secrets: hash them before they are stored. */
export const telegramTokensOf = (env: Readonly<Record<string, string>>): readonly string[] => [
  ...new Set(Object.values(env).filter((value) => pattern.test(value))),
];
