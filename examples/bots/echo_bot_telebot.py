"""Echo bot on pyTelegramBotAPI 4 (telebot): answers every text message with the same text.

    avtomatika-bot start telebot-bot --simple examples/bots/echo_bot_telebot.py \
        -r "pyTelegramBotAPI>=4,<5" -e BOT_TOKEN=123:ABC

or without the platform:

    pip install "pyTelegramBotAPI>=4,<5"
    BOT_TOKEN=123:ABC python examples/bots/echo_bot_telebot.py
"""
import logging
import os
import signal
import sys

import telebot
from telebot.apihelper import ApiTelegramException


def create_bot() -> telebot.TeleBot:
    token = os.environ.get("BOT_TOKEN")
    if not token:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    # Set by the platform when it runs against another Bot API server than Telegram's own.
    base = os.environ.get("TELEGRAM_API_BASE", "").rstrip("/")
    if base:
        telebot.apihelper.API_URL = base + "/bot{0}/{1}"
    return telebot.TeleBot(token, threaded=False)


def main() -> None:
    bot = create_bot()

    @bot.message_handler(content_types=["text"])
    def echo(message: telebot.types.Message) -> None:
        bot.send_message(message.chat.id, f"Echo: {message.text}")
        logging.info("Answered %s: %s", message.chat.first_name, message.text)

    # A poll lasts for up to 30 seconds: leave at once, and the unanswered rest comes with the next start.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    try:
        logging.info("Run polling for bot @%s", bot.get_me().username)
    except ApiTelegramException as error:
        if error.error_code in (401, 404):
            sys.exit("Telegram does not know this BOT_TOKEN.")
        raise
    # Continues after a conflict with another copy, which it logs.
    bot.infinity_polling(timeout=30, long_polling_timeout=30, logger_level=logging.ERROR)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    main()
