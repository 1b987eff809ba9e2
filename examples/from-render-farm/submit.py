"""What a render farm's scripts do: submit, wait, follow. Only the import has changed."""

from __future__ import annotations

import json
import os
import sys

import redis

# Was: from render_farm.tasks import batch_render_task, cleanup_task, ...
from cinemill.worker.tasks import (
    batch_render_task,
    caption_task,
    cleanup_task,
    generate_preview_task,
    monitor_resources_task,
    render_video_task,
    transcode_task,
)

film = os.path.abspath(sys.argv[1])

job = {
    "scenes": [
        {"video_path": film, "start_time": 0, "end_time": 1},
        {"video_path": film, "start_time": 0.5, "end_time": 1.5},
    ],
    "output_format": {"width": 320, "height": 180, "fps": 25},
    "transitions": True,
    "use_gpu": True,
}
client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)

result = render_video_task.apply_async(args=[job], priority=9, queue="render_queue")
progress = client.pubsub(ignore_subscribe_messages=True)
progress.subscribe(f"task_progress:{result.id}")
status = client.get(f"task_status:{result.id}")
print("status", status)
if status is None or json.loads(status)["status"] not in ("completed", "failed", "cancelled"):
    for message in progress.listen():
        event = json.loads(message["data"])
        print("progress", event["status"], event["progress"], event["message"])
        if event["status"] in ("completed", "failed", "cancelled"):
            break
print("rendered", result.get(timeout=3600)["output_path"], result.ready(), result.state)

previews = generate_preview_task.apply_async(args=[film], kwargs={"num_frames": 2})
print("previews", len(previews.get(timeout=300)["preview_paths"]))

options = {"codec": "h264", "container": "mp4", "width": 160, "height": 90, "bitrate": "500k"}
print("transcoded", transcode_task.apply_async(args=[film, options]).get()["output_path"])

rendered = batch_render_task.apply_async(args=[[job, job]]).get(timeout=3600)
print("batch", len(rendered))

deleted = cleanup_task.apply_async(kwargs={"max_age_days": 7, "max_size_gb": 50}).get()
print("cleanup", deleted["deleted_files"])

monitor_resources_task.delay().get(timeout=60)
print("cpu", json.loads(client.get("system_resources"))["cpu"]["percent"])
print("waiting", client.llen("render_queue"))
print("result", json.loads(client.get(f"celery-task-meta-{result.id}"))["status"])

if "--captions" in sys.argv:  # needs a speech model
    captioned = caption_task.apply_async(args=[film], kwargs={"model": "tiny"})
    print("captions", captioned.get(timeout=900)["srt_path"])
