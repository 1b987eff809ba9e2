"""The detection pipeline's command line: worker, client and test. Only the import has changed.

python pipeline.py worker | client FILM | test
"""

from __future__ import annotations

import json
import os
import sys

import redis

# Was: from pipeline.tasks import detect_video
from cinemill.worker.app import app
from cinemill.worker.tasks import detect_video, health_check, monitor_gpu_usage


def run_worker() -> None:
    app.worker_main(["worker", "--loglevel=info", "-Q", "detection,ingestion,orchestration"])


def run_client(film: str) -> None:
    client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    channel = client.pubsub(ignore_subscribe_messages=True)
    result = detect_video.apply_async(args=[os.path.abspath(film)])
    channel.subscribe(f"analysis:{result.id}")
    status = client.get(f"task_status:{result.id}")
    ended = ("completed", "failed", "cancelled")
    if status is None or json.loads(status)["status"] not in ended:
        for message in channel.listen():
            event = json.loads(message["data"])
            print("event", event["status"], event["stage"])
            if event["status"] in ended:
                break
    found = result.get(timeout=600)
    print("verdict", found["verdict"], found["score"], found["frame_count"], found["cache_hit"])
    for key in client.scan_iter("embed:*"):
        print("cached", client.ttl(key) <= 24 * 3600)


def run_test() -> None:
    print("healthy", health_check.delay().get(timeout=60)["healthy"])
    print("gpus", monitor_gpu_usage.delay().get(timeout=60)["gpus"])


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:] or ["test"]
    {"worker": run_worker, "client": run_client, "test": run_test}[mode](*arguments)
