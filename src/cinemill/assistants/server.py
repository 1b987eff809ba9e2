"""The process that speaks the protocol: three tools on stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import signal
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from cinemill import __version__
from cinemill.assistants.tools import INSTRUCTIONS, TOOLS, Outcome, call_tool
from cinemill.client import Client
from cinemill.core.documents import JsonObject
from cinemill.errors import CinemillError

OpenClient = Callable[[], Client]


def build_server(open_client: OpenClient) -> Server[Any]:
    """Return the server. Each call opens a client, so that it finds a restarted Cinemill."""

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=describe_tools())

    async def call(_: Any, asked: CallToolRequestParams) -> CallToolResult:
        given = asked.arguments or {}
        done = await asyncio.to_thread(call_tool, open_client, asked.name, given)
        return write_error(done) if isinstance(done, CinemillError) else write_result(done)

    return Server(
        "cinemill",
        version=__version__,
        title="Cinemill",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call,
    )


def describe_tools() -> list[Tool]:
    """Return what an assistant reads about each tool."""
    return [
        Tool(
            name=one.name,
            title=one.title,
            description=one.description,
            input_schema=one.arguments.model_json_schema(),
            output_schema=one.result.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=one.is_read_only,
                destructive_hint=False,
                open_world_hint=False,
            ),
        )
        for one in TOOLS.values()
    ]


def write_result(outcome: Outcome) -> CallToolResult:
    """Return a result as JSON, once as text for assistants that read no structured results."""
    result, picture = outcome
    document = result.model_dump(mode="json")
    content: list[ContentBlock] = [_write_text(document)]
    if picture is not None:
        data = b64encode(picture.content).decode("ascii")
        content.append(ImageContent(type="image", data=data, mime_type=picture.media_type))
    return CallToolResult(content=content, structured_content=document)


def write_error(error: CinemillError) -> CallToolResult:
    """Return an error as the command line's JSON has it: a code, a sentence and a hint."""
    described = {"code": error.code, "message": error.message, "hint": error.hint}
    return CallToolResult(content=[_write_text({"error": described})], is_error=True)


def _write_text(document: JsonObject) -> TextContent:
    return TextContent(type="text", text=json.dumps(document, ensure_ascii=False))


def serve(open_client: OpenClient) -> None:
    """Serve one assistant on stdin and stdout, until it closes stdin."""
    # Nothing is to be cleaned up, and a thread that waits for stdin cannot be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_serve(build_server(open_client)))


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
