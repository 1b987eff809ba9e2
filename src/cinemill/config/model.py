"""The settings: one frozen model, each field with its public name and its description.

Fields are documented in the reverse order of the bases' resolution: the last base's come first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pydantic import PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cinemill.addresses import PublicUrl, parse_public_urls
from cinemill.config import parsers
from cinemill.config.description import SettingRow, format_value
from cinemill.config.instance import InstanceSettings
from cinemill.config.services import ServiceSettings
from cinemill.docstrings import find_docstring


class Settings(ServiceSettings, InstanceSettings):
    """All settings. Create an instance with :func:`cinemill.config.load`.

    A direct construction checks the same rules, and reads neither environment nor file. Dumps and
    the representation mask all secrets; only the attributes and ``to_environment`` hold them.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        case_sensitive=True,
        enable_decoding=False,
    )
    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the source of a direct construction, which reads no environment and no file."""
        return (init_settings,)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences on valid but unwise settings; empty unless created by ``load``."""
        return self._warnings

    @property
    def session_database_url(self) -> str | None:
        """Return where a connection to PostgreSQL keeps its session; None: embedded."""
        return self.database_direct_url or self.database_url

    @property
    def is_local_only(self) -> bool:
        """Return whether the HTTP API is reachable from this machine only."""
        return parsers.is_loopback(self.host)

    @property
    def public_urls(self) -> tuple[PublicUrl, ...]:
        """Return where proxies serve the HTTP API; nothing where none is set."""
        return parse_public_urls(self.public_url) if self.public_url else ()

    @property
    def is_qdrant_plain(self) -> bool:
        """Return whether Qdrant is on another machine and reached over plain HTTP."""
        address = urlsplit(self.qdrant_url or "")
        return address.scheme == "http" and not parsers.is_loopback(address.hostname or "")

    @property
    def ensemble_weights(self) -> dict[str, float] | None:
        """Return the weights of the detection models by name, None if nobody set any."""
        fields_by_name = {"resnet50": "ensemble_weight_resnet50", "clip": "ensemble_weight_clip"}
        if not self.model_fields_set.intersection(fields_by_name.values()):
            return None
        return {name: getattr(self, field) for name, field in fields_by_name.items()}

    def describe(self) -> list[SettingRow]:
        """Return the effective value of every setting, secrets masked, in documented order."""
        dump = self.model_dump(mode="json")
        return [
            SettingRow(
                name,
                format_value(dump[field]),
                self._source(field),
                " ".join(find_docstring(Settings, field).split()),
            )
            for name, field in public_names().items()
        ]

    def to_environment(self) -> dict[str, str]:
        """Return the settings that were given as environment variables for a child process.

        Secrets are not masked: never log or print the result.
        """
        return {
            name_of(field): _write(getattr(self, field))
            for field in self.model_fields_set
            if getattr(self, field) is not None
        }

    def _source(self, field: str) -> str:
        if field in self.model_fields_set:
            return self._sources.get(name_of(field), "argument")
        parent = _extra(field, "derived_from")
        return f"derived from {name_of(parent)}" if parent and getattr(self, field) else "default"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield masked values: settings end up in logs and tracebacks."""
        yield from ((k, format_value(v)) for k, v in self.model_dump(mode="json").items())


def _write(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _extra(field: str, key: str) -> str:
    extra = Settings.model_fields[field].json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) else ""


def name_of(field: str) -> str:
    """Return the public name of a field, e.g. ``CINEMILL_PORT`` for ``port``."""
    return str(Settings.model_fields[field].validation_alias)


@cache
def public_names() -> dict[str, str]:
    """Return the field of every public name, in documented order."""
    return {name_of(field): field for field in Settings.model_fields}


def reference() -> list[SettingRow]:
    """Return all settings with machine-independent defaults, for the generated pages."""
    return [
        replace(
            row,
            value_masked=_extra(public_names()[row.name], "default_text") or row.value_masked,
            source="default",
        )
        for row in Settings().describe()
    ]
