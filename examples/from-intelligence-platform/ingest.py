"""What the intelligence platform's code does: tasks alone, and as signatures."""

from __future__ import annotations

import os
import sys

from celery import chain, chord, group

# Was: from platform.tasks import ...
from cinemill.worker.tasks import (
    batch_process_videos,
    build_scene_graph,
    cleanup_old_jobs,
    detect_shot_boundaries,
    extract_keyframes,
    hybrid_search,
    process_video,
    retry_failed_tasks,
    semantic_search,
)

first, second = (os.path.abspath(name) for name in sys.argv[1:3])

ingested = process_video.delay(first, "quick").get(timeout=3600)
print("ingested", ingested["asset_id"], sorted(ingested)[:3])

steps = chain(process_video.s(first, "quick"), extract_keyframes.s()).apply_async()
print("chain", len(steps.get(timeout=3600)["keyframes"]) > 0)

graph = chain(process_video.s(first, "quick"), build_scene_graph.s()).apply_async()
found = graph.get(timeout=3600)
print(
    "scenes", len(found["scenes"]), found["asset_id"] == ingested["asset_id"], found["job_id"] != ""
)

both = group(detect_shot_boundaries.s(name) for name in (first, second)).apply_async()
print("group", [len(one["shots"]) > 0 for one in both.get(timeout=3600)])

afterwards = chord([process_video.s(first, "quick"), process_video.s(second, "quick")])(
    batch_process_videos.s("quick")
)
print("chord", [one["state"] for one in afterwards.get(timeout=3600)["results"]])

later = extract_keyframes.apply_async(args=[first], countdown=1, expires=600)
print("later", "keyframes" in later.get(timeout=600))

if "--search" in sys.argv:  # needs the text model
    print("semantic", semantic_search.delay("a street").get(timeout=30)["nothing_found"])
    print("hybrid", hybrid_search.delay("a street", limit=5).get(timeout=30)["nothing_found"])

print("retried", retry_failed_tasks.delay().get(timeout=60)["retried"])
print("cleanup", sorted(cleanup_old_jobs.delay(30).get(timeout=60)))
