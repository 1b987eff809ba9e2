"""The header that names a download is read by old and new clients."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import HTTP

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.http.disposition import name_disposition
from cinemill.client.transfers import safe_name


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("film.mp4", 'attachment; filename="film.mp4"'),
        ("a film.mp4", 'attachment; filename="a film.mp4"'),
        ("Müll.mp4", "attachment; filename=\"Mull.mp4\"; filename*=UTF-8''M%C3%BCll.mp4"),
        ("50%.mp4", "attachment; filename=\"50_.mp4\"; filename*=UTF-8''50%25.mp4"),
        (
            '"; evil="1.mp4',
            "attachment; filename=\"__ evil=_1.mp4\"; filename*=UTF-8''_%3B%20evil%3D_1.mp4",
        ),
        ("nul.mp4", 'attachment; filename="_nul.mp4"'),
        ("gpj.\u202eexe", 'attachment; filename="gpj.exe"'),
    ],
)
def test_name_is_said_in_letters_that_all_clients_read(name: str, header: str) -> None:
    assert name_disposition(name, saved=True) == header


def test_name_without_any_letter_has_one_for_old_clients() -> None:
    header = name_disposition("映画.mp4", saved=False)
    assert header == "inline; filename=\"__.mp4\"; filename*=UTF-8''%E6%98%A0%E7%94%BB.mp4"


@given(st.text(max_size=300))
def test_client_saves_what_the_server_names(name: str) -> None:
    header = name_disposition(name, saved=True)
    assert header.isascii()
    assert header.isprintable()
    message = EmailMessage(policy=HTTP)
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    saved = safe_name(httpx.Headers({"Content-Disposition": header}), fallback="proxy")
    assert name_disposition(saved, saved=True) == header
