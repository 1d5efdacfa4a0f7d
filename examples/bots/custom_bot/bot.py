"""A bot with a Dockerfile of its own: answers every text with the number of its words. Standard library only.

    avtomatika-bot start custom-bot --custom examples/bots/custom_bot/ -e BOT_TOKEN=123:ABC

or without the platform:

    BOT_TOKEN=123:ABC python examples/bots/custom_bot/bot.py
"""
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

API_BASE = os.environ.get("TELEGRAM_API_BASE", "https://api.telegram.org").rstrip("/")
TOKEN = os.environ.get("BOT_TOKEN", "")
POLL_SECONDS = 30


def call(method, wait=15, **params):
    body = json.dumps(params).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{API_BASE}/bot{TOKEN}/{method}", body, headers)
    with urllib.request.urlopen(request, timeout=wait) as response:
        return json.load(response)["result"]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not TOKEN:
        sys.exit("Set BOT_TOKEN to the token that @BotFather gave you.")
    try:
        print(f"Run polling for bot @{call('getMe')['username']}", flush=True)
    except urllib.error.HTTPError as error:
        sys.exit(f"Telegram does not know this BOT_TOKEN ({error.code}).")
    offset = 0
    while True:
        try:
            for update in call("getUpdates", POLL_SECONDS + 10, offset=offset, timeout=POLL_SECONDS):
                offset = update["update_id"] + 1
                message = update.get("message", {})
                if "text" in message:
                    count = len(message["text"].split())
                    call("sendMessage", chat_id=message["chat"]["id"], text=f"Words: {count}")
                    print(f"Answered {message['chat'].get('first_name', 'someone')}: {count} words", flush=True)
        except OSError as error:
            print(f"Telegram: {error}; retrying", flush=True)
            time.sleep(2)


if __name__ == "__main__":
    main()
