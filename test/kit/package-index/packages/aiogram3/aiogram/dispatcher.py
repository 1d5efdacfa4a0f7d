"""Long polling: fetches updates, hands them to the handlers, ends at SIGTERM or SIGINT."""
import asyncio
import logging
import signal

from .exceptions import TelegramAPIError, TelegramNetworkError, TelegramRetryAfter, TelegramUnauthorizedError
from .router import Router
from .types import Message

dispatcher_log = logging.getLogger("aiogram.dispatcher")
event_log = logging.getLogger("aiogram.event")


class Dispatcher(Router):
    def __init__(self, **_ignored):
        super().__init__()

    async def start_polling(self, bot, polling_timeout=10, handle_signals=True, **_ignored):
        dispatcher_log.info("Start polling")
        stop = asyncio.Event()
        if handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        polling = asyncio.create_task(self._poll(bot, polling_timeout))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                polling.result()
        finally:
            polling.cancel()
            stopping.cancel()
            await asyncio.gather(polling, stopping, return_exceptions=True)
            dispatcher_log.info("Polling stopped")

    def run_polling(self, bot, **options):
        asyncio.run(self.start_polling(bot, **options))

    async def _poll(self, bot, polling_timeout):
        me = await bot.get_me()
        dispatcher_log.info("Run polling for bot @%s id=%d - %r", me.username, me.id, me.first_name)
        offset = None
        while True:
            for update in await self._fetch(bot, offset, polling_timeout):
                offset = update["update_id"] + 1
                await self._feed(bot, update)

    async def _fetch(self, bot, offset, polling_timeout):
        try:
            return await bot.get_updates(offset=offset, timeout=polling_timeout)
        except TelegramUnauthorizedError:
            raise
        except (TelegramAPIError, TelegramNetworkError) as error:
            delay = error.retry_after if isinstance(error, TelegramRetryAfter) else 1
            dispatcher_log.error("Failed to fetch updates - %s: %s", type(error).__name__, error)
            dispatcher_log.warning("Sleep for %f seconds and try again... (bot id = %d)", delay, bot.id)
            await asyncio.sleep(delay)
            return []

    async def _feed(self, bot, update):
        handled = False
        try:
            if "message" in update:
                handled = await self.propagate(Message(bot, update["message"]))
        except Exception:
            event_log.exception("Cause exception while process update id=%d", update["update_id"])
        state = "is handled" if handled else "is not handled"
        event_log.info("Update id=%d %s. by bot id=%d", update["update_id"], state, bot.id)
