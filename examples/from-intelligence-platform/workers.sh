#!/bin/sh
# The platform's workers, by group. Was: -A platform.celery_app
set -eu
app="celery -A cinemill.worker.app worker --loglevel=info --concurrency=1 --detach"
mkdir -p "$RUN_DIR"
start() { # QUEUES NAME KILOBYTES
    $app -Q "$1" -n "$2@%h" --max-memory-per-child="$3" \
        --pidfile="$RUN_DIR/$2.pid" --logfile="$RUN_DIR/$2.log"
}
start ingestion,video_analysis ingestion-worker 4096000
start embeddings embedding-worker 2048000
start runtime runtime-worker 1024000
start default,knowledge_graph,orchestration general-worker 2048000
