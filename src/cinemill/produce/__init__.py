"""New pictures out of stored ones: renditions and previews."""
