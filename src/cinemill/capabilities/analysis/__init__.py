"""Analysis of videos: findings with time ranges, from local models and from services."""
