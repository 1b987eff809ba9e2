#!/bin/sh
# start-worker.sh QUEUE CONCURRENCY: video_processing 2, cv_analysis 4, maintenance 1.
set -eu
exec celery -A cinemill.worker.app worker -Q "${1:-video_processing}" --concurrency="${2:-2}" \
    --hostname="$1@%h" --loglevel=info
