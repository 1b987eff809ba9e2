"""The display of settings: each value with its source, secrets masked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cinemill.config import Settings, apply_running_instance, load, reference
from cinemill.config.parsers import mask_url
from cinemill.errors import SettingsInvalid


class TestSecrets:
    SECRET = "hunter2hunter2"

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://user:{}@host/db",
            "postgresql://host/db?user=u&password={}",
            "postgresql://host/db?password={}@x&sslmode=require",
            "postgresql://u:a@{}@host/db",
        ],
    )
    def test_password_in_a_url_is_never_displayed(self, url: str) -> None:
        settings = Settings(database_url=url.format(self.SECRET))
        shown = repr(settings) + str(settings) + str(settings.describe())
        shown += settings.model_dump_json() + str(settings.model_dump())
        assert self.SECRET in (settings.database_url or "")
        assert self.SECRET not in shown

    def test_passwords_of_several_servers_are_masked(self) -> None:
        url = f"redis://:{self.SECRET}@a:1/0;redis://:{self.SECRET}@b:1/0"
        settings = load({"CELERY_BROKER_URL": url})
        assert self.SECRET not in repr(settings)
        assert "@b:1/0" in repr(settings)

    def test_both_passwords_of_a_sentinel_url_are_masked(self) -> None:
        url = f"sentinel://:{self.SECRET}@a:1,b:1/mymaster?sentinel_password={self.SECRET}"
        settings = load({"REDIS_URL": url})
        assert self.SECRET not in repr(settings)
        assert "@a:1,b:1/mymaster" in repr(settings)

    def test_composed_and_derived_urls_are_masked(self) -> None:
        settings = load({"REDIS_HOST": "r", "REDIS_PASSWORD": self.SECRET})
        assert settings.redis_url is not None
        assert self.SECRET in settings.redis_url
        dumps = settings.model_dump_json() + str(settings.model_dump())
        assert self.SECRET not in str(settings.describe()) + repr(settings) + dumps

    def test_key_of_a_vision_model_is_masked(self) -> None:
        settings = load({"NVIDIA_API_KEY": self.SECRET, "NVIDIA_BASE_URL": "http://nim:8000"})
        assert settings.nvidia_api_key is not None
        assert settings.nvidia_api_key.get_secret_value() == self.SECRET
        dumps = settings.model_dump_json() + str(settings.model_dump())
        assert self.SECRET not in str(settings.describe()) + repr(settings) + dumps

    def test_rejected_url_is_not_repeated(self) -> None:
        environ = {"DATABASE_URL": f"mysql://u:{self.SECRET}@h", "REDIS_URL": self.SECRET}
        with pytest.raises(SettingsInvalid) as caught:
            load(environ)
        assert self.SECRET not in str(caught.value)

    @given(st.text(alphabet="ab@:/?#&=;% ", min_size=0, max_size=12))
    @example(";a://")
    def test_mask_covers_any_unescaped_password(self, noise: str) -> None:
        assert self.SECRET not in mask_url(f"redis://user:{noise}{self.SECRET}{noise}@host:1/0")


class TestDescription:
    def test_each_row_names_its_source(self, tmp_path: Path) -> None:
        settings = load({"CINEMILL_HOME": str(tmp_path), "REDIS_URL": "redis://r"})
        sources = {row.name: row.source for row in settings.describe()}
        assert sources["CINEMILL_HOME"] == "environment"
        assert sources["CINEMILL_PORT"] == "default"
        assert sources["CELERY_BROKER_URL"] == "derived from REDIS_URL"
        assert sources["TEMP_DIR"] == "derived from CINEMILL_HOME"

    def test_every_setting_has_a_description(self) -> None:
        assert all(row.meaning.endswith(".") for row in reference())

    def test_reference_does_not_depend_on_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert str(tmp_path) not in str(reference())

    @pytest.mark.parametrize(
        ("written", "displayed"),
        [("64GiB", "64 GiB"), ("1048576", "1 MiB"), ("1048577", "1048577"), ("1.5kB", "1500")],
    )
    def test_sizes_are_displayed_exactly(self, written: str, displayed: str) -> None:
        rows = load({"CINEMILL_MAX_UPLOAD_BYTES": written}).describe()
        assert {r.name: r.value_masked for r in rows}["CINEMILL_MAX_UPLOAD_BYTES"] == displayed

    def test_servers_of_the_running_instance_are_named_as_source(self, tmp_path: Path) -> None:
        state = {"database_url": "postgresql+psycopg://u:p@h/d", "redis_url": "redis://r"}
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "state.json").write_text(json.dumps(state))
        given = {"CINEMILL_HOME": str(tmp_path), "REDIS_URL": "redis://other"}
        settings = apply_running_instance(load(given))
        sources = {row.name: row.source for row in settings.describe()}
        assert sources["DATABASE_URL"] == "running instance"
        assert sources["REDIS_URL"] == "environment"
        assert settings.redis_url == "redis://other"
