"""The answer to any other text."""
import logging

from aiogram import F, Router, types

router = Router()


@router.message(F.text)
async def echo(message: types.Message) -> None:
    await message.answer(f"Echo: {message.text}")
    logging.info("Answered %s: %s", message.chat.first_name, message.text)
