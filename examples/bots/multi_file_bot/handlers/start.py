"""The answer to /start."""
import logging

from aiogram import Router, types
from aiogram.filters import CommandStart

router = Router()


@router.message(CommandStart())
async def start(message: types.Message) -> None:
    await message.answer("Hello! Write something and I will repeat it.")
    logging.info("Greeted %s", message.chat.first_name)
