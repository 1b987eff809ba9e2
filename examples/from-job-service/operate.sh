#!/bin/sh
# What an operator of the job service does. operate.sh [JOB_ID]
set -eu
app="celery -A cinemill.worker.app"
$app inspect active
$app inspect registered
$app inspect stats
$app purge -f -Q video_processing
if [ -n "${1:-}" ]; then $app control revoke "$1" --terminate; fi
