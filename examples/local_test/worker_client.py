"""Terminal 2 of the test without Docker: a worker over plain REST, with nothing but Python's standard library.

    python3 examples/local_test/worker_client.py

It does the task of test_workflow for real (upper-cases its payload) and plays the tasks about bots: it says that a bot
was started or stopped, and runs nothing. Use it to try the orchestrator, and as a model for a worker in any language.

Environment: ORCHESTRATOR_URL (http://localhost:8000), WORKER_TOKEN (test-worker-token), WORKER_ID (local-worker).
"""
import datetime
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("ORCHESTRATOR_URL", "http://localhost:8000").rstrip("/")
TOKEN = os.environ.get("WORKER_TOKEN", "test-worker-token")
WORKER_ID = os.environ.get("WORKER_ID", "local-worker")
WAIT_SECONDS = 30
RETRY_SECONDS = 2


def call(method, path, body=None, timeout=15):
    """One request; returns the parsed answer. Raises urllib.error.HTTPError or OSError."""
    request = urllib.request.Request(
        URL + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


def process_data(params):
    return {"result": str(params.get("payload", "")).upper()}


def start_bot(params):
    name = f"bot_{params['user_id']}_{params['bot_id']}"
    return {
        "status": "started",
        "container_id": f"played-{params['bot_id']}",
        "container_name": name,
        "started_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    }


def stop_bot(params):
    return {"status": "stopped"}


HANDLERS = {"process_data": process_data, "start_bot": start_bot, "stop_bot": stop_bot}


def register():
    call(
        "POST",
        "/workers/register",
        {
            "worker_id": WORKER_ID,
            "worker_type": "local-test",
            "supported_tasks": sorted(HANDLERS),
            "max_concurrent_tasks": 1,
        },
    )
    print(f"registered as {WORKER_ID} at {URL}", flush=True)


def perform(task):
    try:
        result = {"status": "success", "data": HANDLERS[task["type"]](task["params"])}
    except Exception as error:  # whatever a handler raises is the task's failure, not the worker's end
        result = {"status": "failure", "error": {"code": type(error).__name__, "message": str(error)}}
    print(f"{task['type']} {task['task_id']}: {result['status']}", flush=True)
    report = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": WORKER_ID, "result": result}
    call("POST", "/tasks/result", report)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    registered = False
    while True:
        try:
            if not registered:
                register()
                registered = True
            for task in call("GET", f"/workers/{WORKER_ID}/tasks?wait={WAIT_SECONDS}", timeout=WAIT_SECONDS + 10):
                perform(task)
        except urllib.error.HTTPError as error:
            answer = json.load(error).get("error", {})
            if error.code == 404:
                # The orchestrator was restarted and does not know this worker any more.
                registered = False
            elif error.code in (401, 403):
                sys.exit(f"{answer.get('code')}: {answer.get('message')} {answer.get('hint')}")
            else:
                print(f"{answer.get('code', error.code)}: {answer.get('message', '')}", file=sys.stderr, flush=True)
                time.sleep(RETRY_SECONDS)
        except OSError as error:
            print(f"{URL} cannot be reached ({error}); retrying", file=sys.stderr, flush=True)
            registered = False
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
