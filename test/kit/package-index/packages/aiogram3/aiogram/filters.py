"""Filters for commands."""


class Command:
    def __init__(self, *names):
        self.names = names

    def __call__(self, message):
        word = (message.text or "").split(maxsplit=1)[:1]
        return bool(word) and word[0].startswith("/") and word[0][1:].split("@")[0] in self.names


class CommandStart(Command):
    def __init__(self):
        super().__init__("start")
