"""Echo bot with nothing but Python's standard library: answers every text message with the same text.

    avtomatika-bot start echo-bot --simple examples/bots/echo_bot_stdlib.py -e BOT_TOKEN=123:ABC

or without the platform:

    BOT_TOKEN=123:ABC python examples/bots/echo_bot_stdlib.py
"""
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

POLL_SECONDS = 30
RETRY_SECONDS = 2

# Set by the platform when it runs against another Bot API server than Telegram's own.
API_BASE = os.environ.get("TELEGRAM_API_BASE", "https://api.telegram.org").rstrip("/")
TOKEN = os.environ.get("BOT_TOKEN", "")


class Refused(Exception):
    """Telegram answered, but not with what was asked for."""

    def __init__(self, answer):
        super().__init__(f"{answer.get('error_code')} {answer.get('description')}")
        self.code = answer.get("error_code")
        self.retry_after = answer.get("parameters", {}).get("retry_after", RETRY_SECONDS)


def call(method, params, wait=15):
    """Calls one Bot API method and waits `wait` seconds at most. Raises Refused, or OSError or ValueError when there was no proper answer."""
    request = urllib.request.Request(
        f"{API_BASE}/bot{TOKEN}/{method}", json.dumps(params or {}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=wait) as response:
            return json.load(response)["result"]
    except urllib.error.HTTPError as error:
        with error:
            answer = json.load(error)
        raise Refused(answer) from None


def persist(method, params=None, wait=15):
    """Calls a method until it succeeds. A token that Telegram does not know ends the bot: retrying is of no use."""
    while True:
        try:
            return call(method, params, wait)
        except Refused as refusal:
            if refusal.code in (401, 404):
                sys.exit(f"Telegram does not know this BOT_TOKEN ({refusal}).")
            if refusal.code == 409:
                say(f"Another copy of this bot is running, or it has a webhook ({refusal}).")
            elif refusal.code == 429 or refusal.code >= 500:
                say(f"Telegram asks for patience ({refusal}).")
            else:
                raise
            time.sleep(refusal.retry_after)
        except (OSError, ValueError) as error:
            say(f"Telegram cannot be reached ({error}); retrying in {RETRY_SECONDS} s.")
            time.sleep(RETRY_SECONDS)


def handle(message):
    text = message.get("text")
    if not text:
        return
    try:
        persist("sendMessage", {"chat_id": message["chat"]["id"], "text": f"Echo: {text}"})
        say(f"Answered {message['chat'].get('first_name', 'someone')}: {text}")
    except Refused as refusal:
        say(f"Could not answer: {refusal}")


def say(line):
    print(line, flush=True)


def main():
    # The first process of a container gets no default reaction to SIGTERM; leaving by an exception also ends a waiting poll.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    if not TOKEN:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    say(f"Run polling for bot @{persist('getMe')['username']}")
    offset = 0
    while True:
        # Asking for a higher offset tells Telegram that everything below it is done.
        for update in persist("getUpdates", {"offset": offset, "timeout": POLL_SECONDS}, POLL_SECONDS + 10):
            offset = update["update_id"] + 1
            handle(update.get("message", {}))


if __name__ == "__main__":
    main()
