"""What is shown of settings: everything but secrets, each value with its source."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.config import Settings, load, reference
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
    def test_no_password_is_ever_shown(self, url: str) -> None:
        settings = Settings(database_url=url.format(self.SECRET))
        shown = repr(settings) + str(settings) + str(settings.describe())
        assert self.SECRET in (settings.database_url or "")
        assert self.SECRET not in shown

    def test_each_of_several_servers_is_masked(self) -> None:
        url = f"redis://:{self.SECRET}@a:1/0;redis://:{self.SECRET}@b:1/0"
        settings = load({"CELERY_BROKER_URL": url})
        assert self.SECRET not in repr(settings)
        assert "@b:1/0" in repr(settings)

    def test_both_passwords_of_a_highly_available_redis_are_masked(self) -> None:
        url = f"sentinel://:{self.SECRET}@a:1,b:1/mymaster?sentinel_password={self.SECRET}"
        settings = load({"REDIS_URL": url})
        assert self.SECRET not in repr(settings)
        assert "@a:1,b:1/mymaster" in repr(settings)

    def test_composed_and_derived_urls_are_masked(self) -> None:
        settings = load({"REDIS_HOST": "r", "REDIS_PASSWORD": self.SECRET})
        assert self.SECRET not in str(settings.describe()) + repr(settings)

    def test_a_refused_url_is_not_repeated(self) -> None:
        environ = {"DATABASE_URL": f"mysql://u:{self.SECRET}@h", "REDIS_URL": self.SECRET}
        with pytest.raises(SettingsInvalid) as caught:
            load(environ)
        assert self.SECRET not in str(caught.value)

    @given(st.text(alphabet="ab@:/?#&=;% ", min_size=0, max_size=12))
    def test_no_odd_password_gets_through_the_mask(self, noise: str) -> None:
        assert self.SECRET not in mask_url(f"redis://user:{noise}{self.SECRET}{noise}@host:1/0")


class TestDescription:
    def test_each_row_names_its_source(self, tmp_path: Path) -> None:
        settings = load({"CINEMILL_HOME": str(tmp_path), "REDIS_URL": "redis://r"})
        sources = {row.name: row.source for row in settings.describe()}
        assert sources["CINEMILL_HOME"] == "environment"
        assert sources["CINEMILL_PORT"] == "default"
        assert sources["CELERY_BROKER_URL"] == "derived from REDIS_URL"
        assert sources["TEMP_DIR"] == "derived from CINEMILL_HOME"

    def test_every_setting_says_what_it_means(self) -> None:
        assert all(row.meaning.endswith(".") for row in reference())

    def test_the_reference_names_nothing_of_this_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert str(tmp_path) not in str(reference())

    def test_sizes_are_shown_as_written_by_people(self) -> None:
        shown = {row.name: row.value_masked for row in reference()}
        assert shown["CINEMILL_MAX_UPLOAD_BYTES"] == "64 GiB"
