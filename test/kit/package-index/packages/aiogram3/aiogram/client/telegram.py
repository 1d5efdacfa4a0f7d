"""Where the Bot API is."""


class TelegramAPIServer:
    def __init__(self, base):
        self.base = base

    @classmethod
    def from_base(cls, base, **_ignored):
        return cls(base.rstrip("/"))

    def api_url(self, token, method):
        return f"{self.base}/bot{token}/{method}"


PRODUCTION = TelegramAPIServer.from_base("https://api.telegram.org")
