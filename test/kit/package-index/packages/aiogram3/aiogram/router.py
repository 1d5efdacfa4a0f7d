"""Handlers and which messages they want."""
from magic_filter import MagicFilter


class Observer:
    def __init__(self):
        self.handlers = []

    def register(self, handler, *filters):
        self.handlers.append((handler, filters))

    def __call__(self, *filters):
        def decorate(handler):
            self.register(handler, *filters)
            return handler

        return decorate


class Router:
    def __init__(self, *, name=None):
        self.name = name
        self.message = Observer()
        self.sub_routers = []

    def include_router(self, router):
        self.sub_routers.append(router)
        return router

    def include_routers(self, *routers):
        for router in routers:
            self.include_router(router)

    async def propagate(self, message):
        """Gives the message to the first handler that wants it, own ones first; false when none does."""
        for handler, filters in self.message.handlers:
            if all(_passes(wanted, message) for wanted in filters):
                await handler(message)
                return True
        for router in self.sub_routers:
            if await router.propagate(message):
                return True
        return False


def _passes(wanted, message):
    return bool(wanted.resolve(message) if isinstance(wanted, MagicFilter) else wanted(message))
