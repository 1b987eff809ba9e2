"""Processes that are there all the time hold no library that only some jobs need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

QDRANT = {"qdrant_client", "grpc"}
MODELS = {"onnxruntime", "torch", "faster_whisper", "PIL"}
PYAV = {"av", "numpy"}
"""PyAV loads NumPy. Workers check every output with it, so they load it before they fork."""
SERVERS = {"celery", "fastapi", "sqlalchemy", "redis"}
"""An assistant's process asks a server and is none."""
SCRIPT = """
import sys
{load}
print(" ".join(sorted(set(sys.modules) & {heavy})))
"""
API = "import cinemill.api.app"
CLI = "import cinemill.cli.main"
ASSISTANTS = "import cinemill.assistants.tools"
MCP = {"mcp", "mcp_types"}
WORKER = "from cinemill.worker.app import app; app.context.preload_handlers()"


@pytest.mark.parametrize(
    ("load", "heavy"),
    [
        (API, MODELS | PYAV | MCP | QDRANT),
        (WORKER, MODELS | MCP | QDRANT),
        (CLI, MODELS | PYAV | MCP | QDRANT),
        (ASSISTANTS, MODELS | PYAV | MCP | SERVERS | QDRANT),
    ],
    ids=["api", "worker", "cli", "assistants"],
)
def test_idle_process_has_loaded_no_heavy_library(
    load: str, heavy: set[str], tmp_path: Path
) -> None:
    environment = os.environ | {
        "CINEMILL_HOME": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, "-c", SCRIPT.format(load=load, heavy=heavy)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
