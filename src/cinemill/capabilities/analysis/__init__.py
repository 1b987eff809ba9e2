"""What is seen and heard in a video: findings with time ranges, from local models and services."""
