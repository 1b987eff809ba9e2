"""What a vision model's server answers in tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, Exchange

ASSET = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
JPEG = b"\xff\xd8\xff\xe0 a frame"
SCENE = {"description": "At 0:07, a man opens a door.", "labels": ["man", "door"]}
COMPLETION = {
    "model": "m-2026",
    "choices": [{"message": {"content": json.dumps(SCENE)}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 500, "completion_tokens": 20},
}


def send(document: Any, status: int = 200, **headers: object) -> Answer:
    """Send a document as JSON, or bytes as they are."""

    def answer(exchange: Exchange) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        exchange.begin(status, Content_Length=len(body), **headers)
        exchange.wfile.write(body)

    return answer
