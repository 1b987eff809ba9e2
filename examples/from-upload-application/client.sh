#!/bin/sh
# What the upload application's users call. client.sh FILM; was: BASE=http://localhost:8080
set -eu
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
task=$(curl -sf ${CURL_OPTIONS:-} -F "file=@$1" "$BASE/upload" | member task_id)
echo "task $task"
while :; do
    state=$(curl -sf ${CURL_OPTIONS:-} "$BASE/task/$task" | member state)
    echo "state $state"
    case $state in SUCCESS | FAILURE) break ;; esac
    sleep "${POLL_SECONDS:-2}"
done
echo "result $(curl -sf ${CURL_OPTIONS:-} "$BASE/task/$task/result" | member output_filename)"
curl -sf ${CURL_OPTIONS:-} -X POST "$BASE/task/$task/cleanup" | member message
for page in health logs debug; do
    curl -sf ${CURL_OPTIONS:-} -o /dev/null "$BASE/$page" && echo "$page ok"
done
