"""HTTP for the bot. The real one uses the package aiohttp; this one asyncio's streams, so that a poll can be cancelled."""
import asyncio
import json
from urllib.parse import urlsplit

from ...exceptions import TelegramNetworkError, error_for
from ..telegram import PRODUCTION


class AiohttpSession:
    def __init__(self, api=PRODUCTION, **_ignored):
        self.api = api

    async def make_request(self, token, method, params, timeout):
        try:
            raw = await asyncio.wait_for(_post(self.api.api_url(token, method), params), timeout)
            answer = json.loads(raw)
        except asyncio.TimeoutError:
            raise TelegramNetworkError(method, "Request timeout error") from None
        except (OSError, ValueError) as error:
            raise TelegramNetworkError(method, f"{type(error).__name__}: {error}") from None
        if not answer.get("ok"):
            raise error_for(method, answer)
        return answer["result"]

    async def close(self):
        """Nothing is kept open."""


async def _post(url, params):
    """Posts JSON and returns the body of the answer. HTTP/1.0, so that the body ends with the connection."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or (443 if tls else 80), ssl=tls or None)
    try:
        body = json.dumps(params).encode()
        head = f"POST {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        _head, separator, rest = (await reader.read()).partition(b"\r\n\r\n")
        if not separator:
            raise ConnectionError("the server closed the connection")
        return rest
    finally:
        writer.close()
