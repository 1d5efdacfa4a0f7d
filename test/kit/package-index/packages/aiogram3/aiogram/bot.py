"""One bot: calls the Bot API."""
import os

from .client.session.aiohttp import AiohttpSession
from .client.telegram import PRODUCTION, TelegramAPIServer
from .types import Message, User
from .utils.token import extract_bot_id, validate_token


class Bot:
    def __init__(self, token, session=None, **_ignored):
        validate_token(token)
        base = os.environ.get("TELEGRAM_API_BASE")
        api = TelegramAPIServer.from_base(base) if base else PRODUCTION
        self.token = token
        self.id = extract_bot_id(token)
        self.session = session or AiohttpSession(api=api)

    async def call(self, method, request_timeout=60, **params):
        return await self.session.make_request(self.token, method, params, request_timeout)

    async def get_me(self):
        return User(self, await self.call("getMe"))

    async def get_updates(self, offset=None, timeout=0):
        return await self.call("getUpdates", request_timeout=timeout + 60, offset=offset or 0, timeout=timeout)

    async def send_message(self, chat_id, text, **extra):
        return Message(self, await self.call("sendMessage", chat_id=chat_id, text=text, **extra))

    async def delete_webhook(self, drop_pending_updates=False, **_ignored):
        return await self.call("deleteWebhook", drop_pending_updates=drop_pending_updates)
