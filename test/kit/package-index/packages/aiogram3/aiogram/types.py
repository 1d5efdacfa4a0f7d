"""Telegram's objects: fields are attributes, absent ones are None."""


class TelegramObject:
    def __init__(self, bot, fields):
        self.bot = bot
        self._fields = fields

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._fields.get("from" if name == "from_user" else name)
        return TelegramObject(self.bot, value) if isinstance(value, dict) else value


class User(TelegramObject):
    pass


class Message(TelegramObject):
    async def answer(self, text, **extra):
        return await self.bot.send_message(self.chat.id, text, **extra)

    async def reply(self, text, **extra):
        return await self.answer(text, reply_to_message_id=self.message_id, **extra)
