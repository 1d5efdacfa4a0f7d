"""A bot of several files on aiogram 3: this one starts it, the package `handlers` holds what it answers.

    avtomatika-bot start multi-bot --simple examples/bots/multi_file_bot/ --entrypoint bot.py \
        -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC

or without the platform:

    pip install "aiogram>=3.0"
    BOT_TOKEN=123:ABC python examples/bots/multi_file_bot/bot.py
"""
import asyncio
import logging
import os
import sys

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from handlers import routers


def create_bot() -> Bot:
    token = os.environ.get("BOT_TOKEN")
    if not token:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    # Set by the platform when it runs against another Bot API server than Telegram's own.
    base = os.environ.get("TELEGRAM_API_BASE")
    session = AiohttpSession(api=TelegramAPIServer.from_base(base)) if base else None
    return Bot(token=token, session=session)


async def main() -> None:
    dp = Dispatcher()
    dp.include_routers(*routers)
    await dp.start_polling(create_bot())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("aiogram.event").setLevel(logging.WARNING)
    asyncio.run(main())
