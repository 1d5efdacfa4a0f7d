/** The parts of Telegram's Bot API that the fake speaks: shapes and answers, as in https://core.telegram.org/bots/api. */

export interface TelegramUser {
  readonly id: number;
  readonly is_bot: boolean;
  readonly first_name: string;
  readonly username?: string;
}

export interface TelegramMessage {
  readonly message_id: number;
  /** Seconds since 1970. */
  readonly date: number;
  readonly chat: { readonly id: number; readonly type: 'private'; readonly first_name: string };
  readonly from: TelegramUser;
  readonly text: string;
  readonly entities?: readonly { readonly type: 'bot_command'; readonly offset: number; readonly length: number }[];
}

export interface TelegramUpdate {
  readonly update_id: number;
  readonly message: TelegramMessage;
}

/** One HTTP answer: every body says `ok`, and a refusal says its code again. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Params = Readonly<Record<string, unknown>>;

export const accept = (result: unknown): ApiAnswer => ({ status: 200, body: { ok: true, result } });

export const refuse = (status: number, description: string, parameters?: Params): ApiAnswer => ({
  status,
  body: { ok: false, error_code: status, description, ...(parameters && { parameters }) },
});

/** A whole number given as JSON number or as text, as Telegram takes both; `fallback` for anything else. */
export function wholeNumber(value: unknown, fallback: number): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : fallback;
}

export const isTrue = (value: unknown): boolean => value === true || value === 'true' || value === 'True';
