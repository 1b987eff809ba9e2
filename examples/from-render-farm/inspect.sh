#!/bin/sh
# What an operator of a render farm looks at.
set -eu
app="celery -A cinemill.worker.app"
$app inspect active
$app inspect registered
$app inspect stats
$app inspect active_queues
$app inspect scheduled
$app call monitor_resources_task
# redis-cli wants a user's name before the password; the one without a name is called default.
redis=$(echo "$REDIS_URL" | sed 's#//:#//default:#')
redis-cli --no-auth-warning -u "$redis" LLEN render_queue
redis-cli --no-auth-warning -u "$redis" KEYS 'celery-task-meta-*'
