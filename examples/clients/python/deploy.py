"""Deploys a bot over gRPC, watches its job, follows its log, and shows what a refusal looks like.

    apt install python3-grpcio python3-protobuf protobuf-compiler protobuf-compiler-grpc
    npx buf generate --template examples/clients/buf.gen.yaml
    AVTOMATIKA_TOKEN=test-client-token python3 examples/clients/python/deploy.py my-bot examples/bots/echo_bot_stdlib.py

Environment: AVTOMATIKA_ADDRESS (default localhost:8000), AVTOMATIKA_TOKEN, BOT_TOKEN (handed to the bot if set).
"""
import hashlib
import io
import os
import sys
import tarfile
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stubs"))

import grpc
from botrunner.v1 import (
    artifact_service_pb2,
    artifact_service_pb2_grpc,
    bot_pb2,
    bot_service_pb2,
    bot_service_pb2_grpc,
    error_pb2,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)

CHUNK_BYTES = 256 * 1024
FINAL = (job_pb2.JOB_STATUS_COMPLETED, job_pb2.JOB_STATUS_FAILED, job_pb2.JOB_STATUS_CANCELLED)


def pack(path: Path) -> bytes:
    """A tar with the one file; paths in it are relative to the bot's folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(path, arcname=path.name)
    return out.getvalue()


def typed_error(error: grpc.RpcError) -> error_pb2.ErrorDetail:
    """The ErrorDetail of a refusal: code, message, hint and example. It comes in the trailer botrunner-error-bin."""
    trailers = dict(error.trailing_metadata() or ())
    return error_pb2.ErrorDetail.FromString(trailers.get("botrunner-error-bin", b""))


def main() -> int:
    bot_id, path = sys.argv[1], Path(sys.argv[2])
    auth = [("authorization", f"Bearer {os.environ['AVTOMATIKA_TOKEN']}")]
    channel = grpc.insecure_channel(os.environ.get("AVTOMATIKA_ADDRESS", "localhost:8000"))
    artifacts = artifact_service_pb2_grpc.ArtifactServiceStub(channel)
    bots = bot_service_pb2_grpc.BotServiceStub(channel)
    jobs = job_service_pb2_grpc.JobServiceStub(channel)

    data = pack(path)
    pieces = (
        artifact_service_pb2.UploadArtifactRequest(
            chunk=data[at : at + CHUNK_BYTES],
            expected_sha256=hashlib.sha256(data).hexdigest() if at == 0 else "",
        )
        for at in range(0, len(data), CHUNK_BYTES)
    )
    artifact = artifacts.UploadArtifact(pieces, metadata=auth, timeout=60)
    print(f"uploaded {artifact.size_bytes} bytes", flush=True)

    env = {"BOT_TOKEN": os.environ["BOT_TOKEN"]} if "BOT_TOKEN" in os.environ else {}
    source = bot_pb2.SimpleSource(artifact_sha256=artifact.sha256, entrypoint=path.name)
    request = bot_service_pb2.StartBotRequest(bot_id=bot_id, spec=bot_pb2.BotSpec(simple=source, env=env))
    # The same key and request give the same job: safe to repeat when the connection breaks.
    started = bots.StartBot(request, metadata=[*auth, ("idempotency-key", str(uuid.uuid4()))], timeout=60)

    job = started.job
    for update in jobs.WatchJob(job_service_pb2.WatchJobRequest(job_id=job.job_id), metadata=auth):
        if update.HasField("job"):
            job = update.job
            print(f"job {job.state}: {job_pb2.JobStatus.Name(job.status)}", flush=True)
        else:
            for entry in update.build_output.entries:
                print(f"  | {entry.text}", flush=True)
    if job.status != job_pb2.JOB_STATUS_COMPLETED:
        print(f"{job.error.code}: {job.error.message}\n{job.error.hint}", file=sys.stderr)
        return 1

    follow = bots.StreamLogs(bot_service_pb2.StreamLogsRequest(bot_id=bot_id, lines=20, follow=True), metadata=auth)
    seen = 0
    for batch in follow:
        for entry in batch.entries:
            print(f"log: {entry.text}", flush=True)
            seen += 1
        if seen >= 3:
            follow.cancel()
            break

    try:
        bots.GetBot(bot_service_pb2.GetBotRequest(bot_id="no-such-bot"), metadata=auth, timeout=10)
    except grpc.RpcError as error:
        detail = typed_error(error)
        print(f"refused: {error.code().name} {detail.code}: {detail.hint}", flush=True)

    stopped = bots.StopBot(bot_service_pb2.StopBotRequest(bot_id=bot_id), metadata=auth, timeout=60)
    for update in jobs.WatchJob(job_service_pb2.WatchJobRequest(job_id=stopped.job.job_id), metadata=auth):
        if update.HasField("job") and update.job.status in FINAL:
            print(f"stopped: {update.job.result['status']}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
