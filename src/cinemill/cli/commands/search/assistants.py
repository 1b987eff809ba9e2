"""``cinemill mcp``: searches, answers and moments as tools of an assistant."""

from __future__ import annotations

import sys

from cinemill.cli import connect
from cinemill.cli.console import print_message
from cinemill.errors import ToolMissing


def mcp() -> None:
    """Serve search, ask and fetch_moment to an assistant, by the Model Context Protocol (MCP).

    The assistant starts this command and speaks to it on stdin and stdout. It uses the server that
    the other commands use: set CINEMILL_URL and CINEMILL_TOKEN for one on another machine. Needs
    the extra 'mcp'.
    """
    try:
        from cinemill.assistants.server import serve
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "cinemill":
            raise
        raise ToolMissing(
            "Serving assistants needs the package mcp, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[mcp]'.",
        ) from missing
    if sys.stdin.isatty():
        print_message(
            "This command is started by an assistant and waits for its messages on stdin. "
            "Press Ctrl-C to stop."
        )
    serve(connect.connect)
