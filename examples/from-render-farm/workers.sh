#!/bin/sh
# The workers of a render farm. Was: -A render_farm.celery_app
set -eu
mkdir -p "$RUN_DIR"
celery -A cinemill.worker.app worker -Q render_queue,transcode_queue --concurrency=2 \
    --hostname=render-cpu@%h --pidfile="$RUN_DIR/render.pid" --logfile="$RUN_DIR/render.log" --detach
celery -A cinemill.worker.app worker -Q preview_queue,caption_queue --concurrency=1 \
    --hostname=preview@%h --pidfile="$RUN_DIR/preview.pid" --logfile="$RUN_DIR/preview.log" --detach
