"""Echo bot on python-telegram-bot 21: answers every text message with the same text.

    avtomatika-bot start ptb-bot --simple examples/bots/echo_bot_ptb.py \
        -r "python-telegram-bot>=21,<22" -e BOT_TOKEN=123:ABC

or without the platform:

    pip install "python-telegram-bot>=21,<22"
    BOT_TOKEN=123:ABC python examples/bots/echo_bot_ptb.py
"""
import logging
import os
import sys

from telegram import Update
from telegram.error import InvalidToken
from telegram.ext import Application, ContextTypes, MessageHandler, filters


async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    await update.effective_message.reply_text(f"Echo: {update.effective_message.text}")
    logging.info("Answered %s: %s", update.effective_chat.first_name, update.effective_message.text)


async def tell(application: Application) -> None:
    logging.info("Run polling for bot @%s", application.bot.username)


def create_application() -> Application:
    token = os.environ.get("BOT_TOKEN")
    if not token:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    builder = Application.builder().token(token).post_init(tell)
    # Set by the platform when it runs against another Bot API server than Telegram's own.
    base = os.environ.get("TELEGRAM_API_BASE", "").rstrip("/")
    if base:
        builder = builder.base_url(f"{base}/bot").base_file_url(f"{base}/file/bot")
    return builder.build()


def main() -> None:
    application = create_application()
    application.add_handler(MessageHandler(filters.TEXT, echo))
    try:
        # Ends on SIGTERM and SIGINT, and polls again after a conflict with another copy.
        application.run_polling(timeout=30)
    except InvalidToken:
        # The library's own message holds the token.
        sys.exit("Telegram does not know this BOT_TOKEN.")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # httpx logs the address of each request, and the token is part of it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # The trace of a refused token holds the token.
    logging.getLogger("telegram.ext").addFilter(lambda record: record.exc_info is None)
    main()
