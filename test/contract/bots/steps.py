"""A bot that does what the environment variable STEPS says: a JSON list of [name, value]. See ../steps.ts."""
import json
import os
import signal
import sys
import time


def on_term(number, _):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGINT, on_term)
for name, value in json.loads(os.environ["STEPS"]):
    if name == "print":
        print(value)
    elif name == "printError":
        print(value, file=sys.stderr)
    elif name == "fill":
        sys.stdout.write("x" * value)
        sys.stdout.flush()
    elif name == "printEnv":
        print(f"{value}={os.environ.get(value)}")
    elif name == "count":
        for index in range(value):
            print(f"line {index}")
    elif name == "tick":
        index = 0
        while True:
            print(f"tick {index}")
            index += 1
            time.sleep(value / 1000)
    elif name == "ignoreTerm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif name == "import":
        print(f"{value} {__import__(value).__version__}")
    elif name == "touch":
        open(value, "w").close()
        print(f"wrote {value}")
    elif name == "exists":
        print(f"{value} {'yes' if os.path.exists(value) else 'no'}")
    elif name == "keep":
        open(os.path.join(os.environ["BOTRUNNER_DATA_DIR"], value), "w").close()
    elif name == "kept":
        print(f"{value} {'yes' if os.path.exists(os.path.join(os.environ['BOTRUNNER_DATA_DIR'], value)) else 'no'}")
    elif name == "file":
        print(open(value).read(), end="")
    elif name == "eat":
        block = b"x" * (value * 1024 * 1024)
        print(f"ate {len(block)}")
    elif name == "work":
        while time.process_time() * 1000 < value:
            pass
    elif name == "exit":
        sys.exit(value)
while True:
    signal.pause()
