"""Stand-in for aiogram 3, written for tests: the few names a small polling bot uses, on the standard library alone.

Unlike the real one, a Bot without a session of its own talks to TELEGRAM_API_BASE when that is set, so that bots which
know nothing of other Bot API servers can be tested as they are.
"""
from magic_filter import F

from . import types
from .__meta__ import __version__
from .bot import Bot
from .dispatcher import Dispatcher
from .router import Router

__all__ = ["Bot", "Dispatcher", "F", "Router", "__version__", "types"]
