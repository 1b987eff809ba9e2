"""The process that decodes an untrusted picture: its bytes in, a line of JSON and pixels out.

Started by ``read`` in the sandbox, as ``python -I -m cinemill.media.stills.child``.
"""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

from cinemill.errors import InputRejected, TooLarge
from cinemill.media.ffmpeg.child_exit import blame_file
from cinemill.media.stills.decode import decode_picture


def serve(source: BinaryIO, sink: BinaryIO, sizes: tuple[int, int, int]) -> None:
    """Write the picture's size and pixels, or the code and sentence of why there is none.

    ``sizes`` are ``max_width``, ``max_pixels`` and ``most_pixels`` of ``decode_picture``.
    """
    max_width, max_pixels, most_pixels = sizes
    try:
        pixels = decode_picture(
            source.read(), max_width=max_width, max_pixels=max_pixels, most_pixels=most_pixels
        )
    except (InputRejected, TooLarge) as rejected:
        answer = {"code": rejected.code, "message": rejected.message}
        sink.write(json.dumps(answer).encode())
        return
    height, width = pixels.shape[:2]
    sink.write(json.dumps({"width": width, "height": height}).encode() + b"\n")
    sink.write(pixels.tobytes())


if __name__ == "__main__":
    _max_width, _max_pixels, _most_pixels = (int(argument) for argument in sys.argv[1:])
    with blame_file():
        serve(sys.stdin.buffer, sys.stdout.buffer, (_max_width, _max_pixels, _most_pixels))
        sys.stdout.buffer.flush()
