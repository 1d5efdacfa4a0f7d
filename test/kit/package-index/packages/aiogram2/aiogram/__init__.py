"""Stand-in for aiogram 2, written for tests: only enough to show that a bot got the wrong major version."""
__version__ = "2.25.1"


class Bot:
    def __init__(self, token):
        self.token = token


class Dispatcher:
    def __init__(self, bot):
        self.bot = bot
