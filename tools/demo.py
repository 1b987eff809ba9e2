"""``make demo``: process one real video on temporary servers.

    python tools/demo.py [VIDEO]

Without a video, a sample is fetched. Cinemill gets a home folder of its own, which is removed at
the end; the outputs stay in ``out/``.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "bigbuckbunny"
NEXT = """
The outputs are in out/. Next:

    make up                      # start Cinemill, and open the link that it prints
    source .venv/bin/activate    # in another terminal, for the command 'cinemill'
    cinemill process VIDEO --to out"""
REPLACED = ("CINEMILL_HOME", "CINEMILL_URL", "CINEMILL_SETTINGS_FILE", "DATABASE_URL", "REDIS_URL")


def main(arguments: list[str]) -> int:
    from cinemill.cli.main import app

    video = Path(arguments[0]) if arguments else fetch_sample()
    home = Path(tempfile.mkdtemp(prefix="cinemill-demo-"))
    for name in REPLACED:
        os.environ.pop(name, None)
    os.environ["CINEMILL_HOME"] = str(home)
    os.environ["CINEMILL_PORT"] = str(find_free_port())
    try:
        app(["process", str(video), "--to", str(ROOT / "out")])
    except SystemExit as end:
        status = int(end.code or 0)
    else:
        status = 0
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if status == 0:
        print(NEXT)
    return status


def fetch_sample() -> Path:
    sys.path.insert(0, str(ROOT))
    from tools.samples import fetch

    print(f"Fetching the sample video '{SAMPLE}' …", flush=True)
    return fetch(SAMPLE)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
