"""The header that names a file which a client saves (RFC 6266)."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from cinemill.core.text.file_names import make_portable

_NOT_PLAIN = re.compile(r"[^ !#$&'()+,\-.0-9=@A-Z\[\]^_`a-z{}]")
"""Clients read ``%``, semicolons and backslashes in a quoted string in ways of their own."""


def name_disposition(name: str, *, saved: bool) -> str:
    """Return the ``Content-Disposition`` of a file of this name, saved or shown in place.

    The name is one that every file system takes. Where it is more than plain ASCII, clients that
    know no ``filename*`` get the letters that are, and underscores.
    """
    portable = make_portable(name)
    kind = "attachment" if saved else "inline"
    letters = unicodedata.normalize("NFKD", portable)
    plain = _NOT_PLAIN.sub("_", "".join(one for one in letters if not unicodedata.combining(one)))
    header = f'{kind}; filename="{make_portable(plain)}"'
    return header if plain == portable else f"{header}; filename*=UTF-8''{quote(portable, safe='')}"
