"""Speech by eSpeak NG, of the package ``espeakng-loader``: a small synthesizer with many voices.

eSpeak NG is under the GPL, version 3. So Cinemill does not depend on it and does not contain it:
the package is installed by those who make a corpus, as a tool for that alone. Nothing of a running
installation imports this module, and the videos that it speaks in are data, not part of the
program.

The library is called by ctypes. It keeps a state from sentence to sentence, down to the random
numbers of its hissing sounds, so that a sentence depends on those before it. It is loaded again for
each: then the same words are the same samples, whatever was said before.
"""

from __future__ import annotations

import _ctypes
import ctypes
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cinemill.capabilities.search.evaluation.making.speech import Speech, trim_silence
from cinemill.errors import ToolMissing, WorkFailed

PACKAGE = "espeakng_loader"
REQUIREMENT = "espeakng-loader==0.2.4"
WORDS_PER_MINUTE = 150
WORD_GAP_10MS = 2
VOICES = (
    *("en-us+m3", "en+f2", "en-us+f4", "en+m1", "en-us+m7", "en+f5"),
    *("en-us", "en", "en-us+f2", "en+m3", "en-us+m1", "en+m7"),
)
_LIBRARIES = ("libespeak-ng.so", "libespeak-ng.dylib")
_DATA_FOLDER = "espeak-ng-data"
_AUDIO_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_RATE, _WORD_GAP = 1, 7
_UTF8 = 1
_GO_ON = 0
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """eSpeak NG with its English voices. Use :func:`open_espeak`; not thread-safe."""

    def __init__(self, package: Path) -> None:
        """Check that the library of ``package`` works. Raises ToolMissing, WorkFailed."""
        self._package = package
        with _loaded(package) as (library, rate_hz):
            library.espeak_Info.restype = ctypes.c_char_p
            self._version = (library.espeak_Info(None) or b"").decode(errors="replace")
            self._rate_hz = rate_hz

    @property
    def name(self) -> str:
        """Return the name and version of the synthesizer."""
        return f"eSpeak NG {self._version.split(' ')[0]}".strip()

    @property
    def voices(self) -> tuple[str, ...]:
        """Return the speakers: British and American, men and women."""
        return VOICES

    @property
    def rate_hz(self) -> int:
        """Return the samples a second."""
        return self._rate_hz

    def speak(self, text: str, voice: str) -> Speech:
        """Return the sentence as this speaker says it.

        Raises WorkFailed (``speech_failed``) if there is no such voice, or the speech is silent.
        """
        chunks: list[bytes] = []

        def receive(samples: Any, count: int, _events: int) -> int:
            if samples and count > 0:
                chunks.append(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
            return _GO_ON

        callback = _Callback(receive)  # named, since the library keeps nothing but its address
        with _loaded(self._package) as (library, rate_hz):
            library.espeak_SetSynthCallback(callback)
            library.espeak_ng_SetRandSeed(1)
            _require(library.espeak_SetVoiceByName(voice.encode()), f"the voice {voice}")
            _require(library.espeak_SetParameter(_RATE, WORDS_PER_MINUTE, 0), "the speed")
            _require(library.espeak_SetParameter(_WORD_GAP, WORD_GAP_10MS, 0), "the pauses")
            encoded = text.encode() + b"\x00"
            status = library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
            _require(status, "the sentence")
        speech = Speech(np.frombuffer(b"".join(chunks), np.int16), rate_hz)
        if not trim_silence(speech).samples.size:
            raise WorkFailed(f"eSpeak NG said nothing for {text!r}.", code="speech_failed")
        return speech


@lru_cache(maxsize=1)
def open_espeak(package: Path | None = None) -> Espeak:
    """Return the synthesizer, loaded once for a process.

    ``package`` is the folder of the unpacked package; without it, the installed one is used.
    Raises ToolMissing (``extra_missing``) without the package, WorkFailed.
    """
    return Espeak(package or _find_package())


def _find_package() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or []) if found else []:
        return Path(folder)
    raise _missing("The corpus is spoken by eSpeak NG, which is not installed.")


@contextmanager
def _loaded(package: Path) -> Iterator[tuple[Any, int]]:
    """Yield a library without a past, and its samples a second; it is unloaded at the end."""
    library = _load(package)
    try:
        data = str(package / _DATA_FOLDER).encode()
        rate_hz = int(library.espeak_Initialize(_AUDIO_SYNCHRONOUS, 0, data, _DO_NOT_EXIT))
        if rate_hz <= 0:
            raise WorkFailed("eSpeak NG could not be started.", code="speech_failed")
        yield library, rate_hz
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def _require(status: int, what: str) -> None:
    if status != 0:
        raise WorkFailed(f"eSpeak NG rejected {what}.", code="speech_failed")


def _load(package: Path) -> Any:
    for name in _LIBRARIES:
        if (package / name).is_file():
            try:
                return _declare(ctypes.CDLL(str(package / name)))
            except OSError as broken:
                raise _missing(f"eSpeak NG cannot be loaded here: {broken}.") from broken
    raise _missing(f"There is no library of eSpeak NG in {package}.")


def _declare(library: Any) -> Any:
    """Declare the arguments: without them, 64-bit addresses would be cut.

    Raises ToolMissing if the library is too old for one of the functions.
    """
    signatures: dict[str, list[Any]] = {
        "espeak_Initialize": [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int],
        "espeak_SetSynthCallback": [_Callback],
        "espeak_SetVoiceByName": [ctypes.c_char_p],
        "espeak_SetParameter": [ctypes.c_int, ctypes.c_int, ctypes.c_int],
        "espeak_Info": [ctypes.c_void_p],
        "espeak_Terminate": [],
        "espeak_ng_SetRandSeed": [ctypes.c_long],
        "espeak_Synth": [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint),
            *(ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ],
    }
    for name, arguments in signatures.items():
        function = getattr(library, name, None)
        if function is None:
            raise _missing(f"This eSpeak NG is too old: it has no {name}.")
        function.argtypes = arguments
        function.restype = ctypes.c_int
    library.espeak_SetSynthCallback.restype = None
    library.espeak_ng_SetRandSeed.restype = None
    return library


def _missing(message: str) -> ToolMissing:
    return ToolMissing(
        message,
        code="extra_missing",
        hint=f"Install it with: pip install {REQUIREMENT} (GPL-3, used for the corpus only).",
    )
