"""Echo bot on aiogram 3: answers every text message with the same text.

    avtomatika-bot start echo-bot --simple examples/bots/echo_bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC

or without the platform:

    pip install "aiogram>=3.0"
    BOT_TOKEN=123:ABC python examples/bots/echo_bot.py
"""
import asyncio
import logging
import os
import sys

from aiogram import Bot, Dispatcher, F, types
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

dp = Dispatcher()


@dp.message(F.text)
async def echo(message: types.Message) -> None:
    await message.answer(f"Echo: {message.text}")
    logging.info("Answered %s: %s", message.chat.first_name, message.text)


def create_bot() -> Bot:
    token = os.environ.get("BOT_TOKEN")
    if not token:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    # Set by the platform when it runs against another Bot API server than Telegram's own.
    base = os.environ.get("TELEGRAM_API_BASE")
    session = AiohttpSession(api=TelegramAPIServer.from_base(base)) if base else None
    return Bot(token=token, session=session)


async def main() -> None:
    # aiogram ends its polling on SIGTERM.
    await dp.start_polling(create_bot())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # Our own line tells of each message; aiogram's line on the same event would double it.
    logging.getLogger("aiogram.event").setLevel(logging.WARNING)
    asyncio.run(main())
