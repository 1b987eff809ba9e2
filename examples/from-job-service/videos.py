"""What an upload backend's code does: queue work for a stored video, and look after the jobs."""

from __future__ import annotations

import sys
import time

# Was: from backend.services.jobs import get_job_service
from cinemill.worker.job_service import get_job_service

# Was: from backend.tasks import …
from cinemill.worker.tasks import (
    check_stuck_jobs,
    cleanup_old_jobs,
    extract_video_metadata,
    generate_proxy_video,
    generate_thumbnail,
    get_queue_stats,
)

video_id = sys.argv[1]
jobs = get_job_service()

job = jobs.queue_proxy_generation(video_id=video_id, priority=5)
print("queued", job.id, jobs.get_job(job.id).state)
while jobs.get_job_status(job.id)["status"] not in ("completed", "failed", "cancelled"):
    time.sleep(0.2)
print("status", jobs.get_job_status(job.id)["status"])
print("of the video", job.id in [one.id for one in jobs.get_jobs_for_video(video_id=video_id)])
made = jobs.create_job(video_id=video_id, job_type="generate_thumbnail", timestamp_seconds=0.5)
print("created", made.id in [one.id for one in jobs.get_jobs_for_video(video_id=video_id)])

metadata = extract_video_metadata.delay(video_id).get(timeout=300)
print("metadata", metadata["width"], metadata["height"], metadata["codec"])
print("proxy", generate_proxy_video.delay(video_id).get(timeout=600)["output_filename"])
print("thumbnail", generate_thumbnail.delay(video_id, 0.5).get(timeout=300)["thumbnail_path"])

later = generate_proxy_video.apply_async(args=[video_id], countdown=3600, queue="video_processing")
waiting = jobs.get_pending_jobs(job_type="generate_proxy_video")
print("pending", later.id in [one.id for one in waiting])
jobs.cancel_job(later.id, reason="not needed after all")
print("cancelled", jobs.get_job(later.id).state, jobs.get_job(later.id).cancel_reason)

print("deleted", jobs.delete_old_jobs(days=30))
print("cleanup", sorted(cleanup_old_jobs.delay(30).get(timeout=60)))
print("stuck", sorted(check_stuck_jobs.delay().get(timeout=60)))
print("stats", get_queue_stats.delay().get(timeout=60)["total"] > 0)
