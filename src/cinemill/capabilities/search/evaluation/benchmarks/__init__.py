"""Readers of published benchmarks, for those who have them: MSR-VTT, QVHighlights, Video-MME."""
