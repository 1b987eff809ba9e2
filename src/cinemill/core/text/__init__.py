"""Timed text: subtitles, ASS and segmentation."""
