"""Run every benchmark, or those named: ``python -m bench [prepare …]``."""

from __future__ import annotations

import importlib
import sys

from bench.report import print_table

MODULES = (
    "prepare",
    "frames",
    "shots",
    "ingestion",
    "engine",
    "backlog",
    "time_left",
    "broker",
    "upload",
    "hostile",
    "supervisor",
    "production",
    "quality",
    "chunks",
    "feature_film",
    "render",
    "cache",
    "forensics",
    "inference",
    "detection",
    "training",
    "relations",
    "retrieval",
    "answers",
    # Last: a process that has loaded a model is large, and so appears every process that it starts.
    "captions",
)


def main() -> int:
    rows = []
    for name in sys.argv[1:] or MODULES:
        rows += importlib.import_module(f"bench.{name}").measure()
    print_table(rows)
    # A measurement is no test: the table shows a missed target, and the docs explain it.
    return 0


if __name__ == "__main__":
    sys.exit(main())
