/** What a Telegram bot token is, and those in a bot's environment. Pure. */

// https://core.telegram.org/bots/api#authorizing-your-bot. Placeholders such as "123:ABC" and "your_token" do not fit.
const pattern = /^[0-9]{6,12}:[A-Za-z0-9_-]{30,64}$/;

/** The variables whose values are Telegram tokens, each token once. Secrets: hash them before they are stored. */
export function telegramTokenVariables(
  env: Readonly<Record<string, string>>,
): readonly { readonly name: string; readonly token: string }[] {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) {
    if (pattern.test(value) && !found.has(value)) found.set(value, name);
  }
  return [...found].map(([token, name]) => ({ name, token }));
}

/** The values alone. */
export const telegramTokensOf = (env: Readonly<Record<string, string>>): readonly string[] =>
  telegramTokenVariables(env).map(({ token }) => token);

/** Tokens that are in the documentation of Telegram and are nobody's. */
export const documentationTokens: ReadonlySet<string> = new Set([
  // https://core.telegram.org/bots/features#creating-a-new-bot and https://core.telegram.org/bots/api#authorizing-your-bot
  '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw',
  '4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qc',
  '123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11',
]);
