"""What the bot answers. The first router that wants a message gets it."""
from . import echo, start

routers = (start.router, echo.router)
