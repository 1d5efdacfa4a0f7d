/** The bot of a storm, in Python without packages: it keeps a diary with the witness, as its env says it is to behave. */

/** How often a bot says that it lives. */
export const beatMs = 100;

/**
 * Lines that could not be sent are kept, the newest hundred, and go out when the witness is reached again: an engine that comes
 * back creates its network again.
 */
export const diaryBot = `import json, os, signal, socket, sys, time, uuid
witness_host, witness_port = os.environ["STORM_WITNESS"].split(":")
behaviour = os.environ["STORM_BEHAVIOUR"]
facts = {
    "user": os.environ["STORM_USER"],
    "bot": os.environ["STORM_BOT"],
    "version": int(os.environ["STORM_VERSION"]),
    "token": int(os.environ["STORM_TOKEN"]) if os.environ.get("STORM_TOKEN") else None,
    "instance": uuid.uuid4().hex,
}
kept = []
link = None
def say(kind):
    global link
    kept.append(json.dumps({"at": time.monotonic() * 1000, "kind": kind, **facts}) + "\\n")
    del kept[1:-100]
    try:
        if link is None:
            link = socket.create_connection((witness_host, int(witness_port)), 1)
        while kept:
            link.sendall(kept[0].encode())
            kept.pop(0)
    except OSError:
        if link is not None:
            link.close()
        link = None
def stop(number, frame):
    if behaviour == "stubborn":
        return
    say("stop")
    sys.exit(0 if number == signal.SIGTERM else 1)
signal.signal(signal.SIGTERM, stop)
say("start")
print("start of version", facts["version"], "instance", facts["instance"], flush=True)
beats = 0
while True:
    time.sleep(${beatMs / 1000})
    beats += 1
    say("beat")
    if beats % 20 == 0:
        print("beat", beats, flush=True)
    if behaviour == "crashing" and beats == 5:
        say("stop")
        sys.exit(3)
    if behaviour == "ending" and beats == 8:
        say("stop")
        sys.exit(0)
`;
