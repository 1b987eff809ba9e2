"""Settings: where values come from, which are rejected, and how they combine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from cinemill.config import Settings, load, reference
from cinemill.errors import SettingsInvalid


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def problems_of(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(environ)
    return dict(caught.value.problems)


def attempt(environ: dict[str, str], path: Path | None = None) -> Settings | SettingsInvalid:
    """Return the two outcomes that loading may have; any third fails the test."""
    try:
        return load(environ, path)
    except SettingsInvalid as error:
        return error


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["cinemill", "port", "x"]), inner)
    ),
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


class TestDefaults:
    def test_empty_environment_is_a_complete_local_instance(self, home: Path) -> None:
        settings = load({"CINEMILL_HOME": str(home)})
        assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", 8420, "token")
        assert settings.database_url is None
        assert settings.redis_url is None
        assert settings.celery_broker_url is None
        assert settings.temp_dir == home / "work"
        assert settings.max_upload_bytes == 64 * 1024**3
        assert settings.warnings == ()

    def test_empty_value_means_unset_as_compose_files_write_it(self, home: Path) -> None:
        settings = load({"CINEMILL_HOME": str(home), "DATABASE_URL": "", "CINEMILL_PORT": " "})
        assert settings.database_url is None
        assert settings.port == 8420

    def test_empty_list_of_gpus_is_a_value(self, home: Path) -> None:
        environ = {"CINEMILL_HOME": str(home), "CUDA_VISIBLE_DEVICES": ""}
        assert load(environ).cuda_visible_devices == ""

    def test_detection_settings_exist(self) -> None:
        names = {row.name for row in reference()}
        assert names >= {
            "CELERY_BROKER_URL",
            "CELERY_RESULT_BACKEND",
            "CELERY_WORKER_CONCURRENCY",
            "CELERY_TASK_MAX_RETRIES",
            "CELERY_TASK_DEFAULT_RETRY_DELAY",
            "REDIS_URL",
            "REDIS_HOST",
            "REDIS_PORT",
            "REDIS_DB",
            "CACHE_TTL_EMBEDDINGS",
            "DATABASE_URL",
            "DATABASE_POOL_SIZE",
            "CUDA_VISIBLE_DEVICES",
            "GPU_MEMORY_FRACTION",
            "MIG_ENABLED",
            "RESNET50_MODEL_PATH",
            "CLIP_MODEL_NAME",
            "ENSEMBLE_WEIGHT_RESNET50",
            "ENSEMBLE_WEIGHT_CLIP",
        }

    def test_caches_have_a_time_to_live_of_their_own(self, home: Path) -> None:
        settings = load({"CINEMILL_HOME": str(home), "CACHE_TTL_RESULTS": "60"})
        assert (settings.cache_ttl_embeddings, settings.cache_ttl_results) == (86_400, 60)
        assert load({"CINEMILL_HOME": str(home)}).cache_ttl_results == 604_800
        for name in ("CACHE_TTL_EMBEDDINGS", "CACHE_TTL_RESULTS"):
            for value in ("0", "1000000000000"):
                with pytest.raises(SettingsInvalid, match=name):
                    load({"CINEMILL_HOME": str(home), name: value})

    def test_settings_are_frozen(self, home: Path) -> None:
        settings = load({"CINEMILL_HOME": str(home)})
        with pytest.raises(ValidationError):
            settings.port = 1

    def test_direct_construction_reads_no_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMILL_PORT", "9999")
        monkeypatch.setenv("PORT", "9999")
        assert Settings().port == 8420


class TestDerivedValues:
    def test_redis_url_is_composed_from_its_parts(self) -> None:
        settings = load({"REDIS_HOST": "r", "REDIS_DB": "2", "REDIS_PASSWORD": "p@/ :"})
        assert settings.redis_url == "redis://:p%40%2F%20%3A@r:6379/2"
        assert settings.celery_broker_url == settings.redis_url

    def test_redis_url_takes_precedence_over_its_parts_with_a_warning(self) -> None:
        settings = load({"REDIS_HOST": "r", "REDIS_URL": "redis://s"})
        assert settings.redis_url == "redis://s"
        assert settings.warnings == ("REDIS_HOST is ignored, because REDIS_URL is set.",)

    def test_ipv6_address_is_bracketed_in_the_redis_url(self) -> None:
        assert load({"REDIS_HOST": "::1"}).redis_url == "redis://[::1]:6379/0"

    def test_socket_url_is_spelled_as_kombu_expects_it(self) -> None:
        settings = load({"REDIS_URL": "unix:///run/redis.sock?db=3"})
        assert settings.celery_broker_url == "redis+socket:///run/redis.sock?virtual_host=3"

    def test_postgresql_url_without_driver_gets_psycopg(self) -> None:
        settings = load({"DATABASE_URL": "postgresql://u:p@h/d"})
        assert settings.database_url == "postgresql+psycopg://u:p@h/d"

    def test_broker_url_may_differ_from_the_redis_url(self) -> None:
        environ = {"REDIS_URL": "redis://a", "CELERY_BROKER_URL": "redis://b:1;redis://c:1"}
        assert load(environ).celery_broker_url == "redis://b:1;redis://c:1"

    def test_sentinel_url_serves_redis_and_broker(self) -> None:
        url = "sentinel://:secret@a:26379,b:26379/mymaster/2"
        settings = load({"REDIS_URL": url})
        assert (settings.redis_url, settings.celery_broker_url) == (url, url)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg://u:p@/d?host=/run/postgresql",
            "postgresql+psycopg:///d?host=/run/postgresql",
            "postgresql+psycopg://u:a@b@h:5432/d",
        ],
    )
    def test_database_url_is_kept_as_written(self, url: str) -> None:
        assert load({"DATABASE_URL": url}).database_url == url

    @pytest.mark.parametrize(
        "url", ["unix://u:p@/run/redis.sock", "redis://:6379/1", "rediss://:p^w@H:1/0"]
    )
    def test_redis_url_is_kept_as_written(self, url: str) -> None:
        assert load({"REDIS_URL": url}).redis_url == url

    @pytest.mark.parametrize(
        ("written", "size_bytes"),
        [
            ("1024", 1024),
            ("2GiB", 2 * 1024**3),
            ("64Gi", 64 * 1024**3),
            ("1.5 GB", 1_500_000_000),
            ("7k", 7000),
        ],
    )
    def test_sizes_may_have_units(self, written: str, size_bytes: int) -> None:
        assert load({"CINEMILL_MAX_UPLOAD_BYTES": written}).max_upload_bytes == size_bytes


class TestChildProcesses:
    def test_child_process_loads_equal_settings(self, tmp_path: Path) -> None:
        environ = {
            "CINEMILL_HOME": str(tmp_path),
            "CINEMILL_INPUT_ROOTS": f"{tmp_path}/a:{tmp_path}/b",
            "REDIS_URL": "redis://:secret@r",
            "REDIS_PASSWORD": "p@/ :",
            "MIG_ENABLED": "yes",
            "CINEMILL_MAX_UPLOAD_BYTES": "2GiB",
            "CINEMILL_LEASE_SECONDS": "61.5",
        }
        settings = load(environ)
        child = load(settings.to_environment())
        assert child == settings
        assert child.input_roots == (tmp_path / "a", tmp_path / "b")

    def test_child_environment_has_only_the_given_settings(self) -> None:
        assert load({"CINEMILL_PORT": "9"}).to_environment() == {"CINEMILL_PORT": "9"}


class TestProblems:
    def test_settings_errors_are_reported_together(self) -> None:
        found = problems_of(
            {
                "CINEMILL_PORT": "abc",
                "CINEMILL_LOG_LEVEL": "loud",
                "REDIS_URL": "http://r",
                "CINEMILL_HEARTBEAT_SECONDS": "50",
                "ENSEMBLE_WEIGHT_CLIP": "0.9",
                "CINEMILL_AUTH": "off",
                "CINEMILL_HOST": "0.0.0.0",
                "CELERY_TASK_TIME_LIMIT": "60",
                "CELERY_TASK_SOFT_TIME_LIMIT": "60",
                "FFMPEG_PATH": "/no/such/ffmpeg",
            }
        )
        assert set(found) == {
            "CINEMILL_PORT",
            "CINEMILL_LOG_LEVEL",
            "REDIS_URL",
            "CINEMILL_HEARTBEAT_SECONDS",
            "ENSEMBLE_WEIGHT_RESNET50",
            "CINEMILL_AUTH",
            "CELERY_TASK_SOFT_TIME_LIMIT",
            "FFMPEG_PATH",
        }

    @pytest.mark.parametrize(
        ("name", "value", "reported"),
        [
            ("CINEMILL_LEASE_SECONDS", "30", "CINEMILL_HEARTBEAT_SECONDS"),
            ("CELERY_TASK_SOFT_TIME_LIMIT", "3600", "CELERY_TASK_SOFT_TIME_LIMIT"),
            ("ENSEMBLE_WEIGHT_RESNET50", "0.9", "ENSEMBLE_WEIGHT_RESNET50"),
            ("ENSEMBLE_WEIGHT_CLIP", "0.9", "ENSEMBLE_WEIGHT_RESNET50"),
            ("REKOGNITION_TOPIC", "arn:aws:sns:eu-west-1:123456789012:t", "REKOGNITION_TOPIC"),
            ("REKOGNITION_ROLE", "arn:aws:iam::123456789012:role/r", "REKOGNITION_TOPIC"),
        ],
    )
    def test_conflict_with_a_default_is_reported(
        self, name: str, value: str, reported: str
    ) -> None:
        assert set(problems_of({name: value})) == {reported}

    @pytest.mark.parametrize(
        ("hard", "soft"), [("2", 1), ("60", 50), ("1800", 1500), ("3600", 3300), ("7200", 6900)]
    )
    def test_soft_time_limit_follows_the_hard_one(self, home: Path, hard: str, soft: int) -> None:
        settings = load({"CINEMILL_HOME": str(home), "CELERY_TASK_TIME_LIMIT": hard})
        assert settings.celery_task_soft_time_limit == soft

    def test_time_limit_without_room_for_a_soft_one_is_reported_alone(self) -> None:
        assert set(problems_of({"CELERY_TASK_TIME_LIMIT": "1"})) == {"CELERY_TASK_TIME_LIMIT"}

    def test_direct_construction_rejects_conflicts(self) -> None:
        with pytest.raises(ValidationError, match="third of CINEMILL_LEASE_SECONDS"):
            Settings(lease_seconds=30)

    @pytest.mark.parametrize(
        ("environ", "sentence"),
        [
            ({"CINEMILL_PORT": "70000"}, "must be less than or equal to 65535"),
            ({"CINEMILL_LOG_LEVEL": "loud"}, "must be 'debug', 'info', 'warning' or 'error'"),
            ({"FFMPEG_PATH": "/no/such/file"}, "there is no such file"),
            ({"REDIS_URL": "amqp://h"}, "must begin with redis:// or rediss:// or sentinel://"),
            ({"REDIS_URL": "redis://h:x"}, "is not a URL such as redis://"),
        ],
    )
    def test_problems_are_sentences_after_the_name(
        self, environ: dict[str, str], sentence: str
    ) -> None:
        ((_, problem),) = problems_of(environ).items()
        assert problem.startswith(sentence)

    def test_invalid_setting_causes_no_conflict_with_another(self) -> None:
        found = problems_of({"CINEMILL_LEASE_SECONDS": "x", "CINEMILL_HEARTBEAT_SECONDS": "50"})
        assert set(found) == {"CINEMILL_LEASE_SECONDS"}

    def test_setting_derived_from_an_invalid_one_is_not_reported(self) -> None:
        assert set(problems_of({"REDIS_HOST": "r", "REDIS_PORT": "0"})) == {"REDIS_PORT"}

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "cinemill.example"])
    def test_auth_off_is_rejected_on_a_reachable_host(self, host: str) -> None:
        found = problems_of({"CINEMILL_AUTH": "off", "CINEMILL_HOST": host})
        assert "loopback" in found["CINEMILL_AUTH"]

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
    def test_auth_off_is_allowed_on_a_loopback_host(self, host: str) -> None:
        assert load({"CINEMILL_AUTH": "off", "CINEMILL_HOST": host}).auth == "off"

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            (None, "ignored"),
            ("http://qdrant.example:6333", "unencrypted"),
            ("https://qdrant.example", None),
            ("http://127.0.0.1:6333", None),
            ("http://[::1]:6333", None),
        ],
    )
    def test_key_of_qdrant_causes_a_warning_where_it_is_unwise(
        self, url: str | None, words: str | None
    ) -> None:
        given = {} if url is None else {"CINEMILL_QDRANT_URL": url}
        settings = load({"CINEMILL_QDRANT_KEY": "hunter2", **given})
        assert [words in one for one in settings.warnings if words] == ([True] if words else [])
        assert bool(settings.warnings) is (words is not None)
        assert "hunter2" not in repr(settings)

    def test_reachable_host_causes_a_warning(self) -> None:
        (warning,) = load({"CINEMILL_HOST": "0.0.0.0"}).warnings
        assert "TLS" in warning

    @pytest.mark.parametrize(
        "environ",
        [
            {"DATABASE_URL": "mysql://h/d"},
            {"DATABASE_URL": "nonsense"},
            {"CINEMILL_QDRANT_URL": "qdrant.example:6333"},
            {"CINEMILL_QDRANT_URL": "https://key@qdrant.example"},
            {"DATABASE_URL": "postgresql://"},
            {"DATABASE_URL": "postgresql://h:99999/d"},
            {"REDIS_URL": "amqp://h"},
            {"CELERY_BROKER_URL": "unix:///x"},
            {"CELERY_RESULT_BACKEND": "mongodb://h"},
            {"CINEMILL_HOST": "not a host"},
            {"CINEMILL_HOST": "h:80"},
            {"CUDA_VISIBLE_DEVICES": "0,first"},
            {"GPU_MEMORY_FRACTION": "1.1"},
            {"GPU_MEMORY_FRACTION": "nan"},
            {"CINEMILL_STALL_SECONDS": "inf"},
            {"CINEMILL_STALL_SECONDS": "0"},
            {"CINEMILL_MAX_UPLOAD_BYTES": "-1"},
            {"CINEMILL_MAX_UPLOAD_BYTES": "64iB"},
            {"CINEMILL_MAX_UPLOAD_BYTES": "64 GiB, at most"},
            {"CINEMILL_MAX_UPLOAD_BYTES": "64 Gbit"},
            {"CINEMILL_MAX_UPLOAD_BYTES": f"{10**400}.5"},
            {"RESNET50_MODEL_PATH": "/no/such/file"},
            {"CLIP_MODEL_NAME": "/no/such/file"},
            {"CLIP_MODEL_NAME": "such.onnx"},
            {"CLIP_MODEL_NAME": "."},
            {"MIG_ENABLED": "maybe"},
            {"CELERY_WORKER_AUTOSCALE": "1,4"},
        ],
    )
    def test_invalid_value_is_the_only_problem_reported(self, environ: dict[str, str]) -> None:
        assert set(problems_of(environ)) == set(environ)

    def test_credentials_of_qdrant_are_refused_with_the_setting_for_its_key(self) -> None:
        given = {"CINEMILL_QDRANT_URL": "https://ann:hunter2@qdrant.example:6333/prefix"}
        (sentence,) = problems_of(given).values()
        assert "CINEMILL_QDRANT_KEY" in sentence
        assert "hunter2" not in sentence

    def test_autoscale_needs_the_prefork_pool(self) -> None:
        environ = {"CELERY_WORKER_AUTOSCALE": "4, 1", "CELERY_WORKER_POOL": "solo"}
        assert "prefork" in problems_of(environ)["CELERY_WORKER_AUTOSCALE"]
        settings = load({**environ, "CELERY_WORKER_POOL": "prefork"})
        assert settings.celery_worker_autoscale == "4,1"

    def test_concurrency_with_autoscale_causes_a_warning(self) -> None:
        environ = {"CELERY_WORKER_AUTOSCALE": "4,1", "CELERY_WORKER_CONCURRENCY": "2"}
        (warning,) = load(environ).warnings
        assert "CELERY_WORKER_CONCURRENCY is ignored" in warning

    def test_model_may_be_named_or_be_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "clip.onnx").touch()
        monkeypatch.chdir(tmp_path)
        for written, name in (
            ("openai/clip-vit-large-patch14", "openai/clip-vit-large-patch14"),
            ("clip.onnx", str(tmp_path / "clip.onnx")),
            ("./clip.onnx", str(tmp_path / "clip.onnx")),
        ):
            assert load({"CLIP_MODEL_NAME": written}).clip_model_name == name

    def test_ffmpeg_path_must_be_executable(self, tmp_path: Path) -> None:
        path = write(tmp_path / "ffmpeg", "")
        assert "executable" in problems_of({"FFMPEG_PATH": str(path)})["FFMPEG_PATH"]

    def test_unknown_cinemill_name_causes_a_warning(self) -> None:
        (warning,) = load({"CINEMILL_PROT": "1"}).warnings
        assert "did you mean CINEMILL_PORT?" in warning

    @given(st.dictionaries(st.sampled_from([r.name for r in reference()]), st.text(max_size=30)))
    def test_any_text_yields_settings_or_problems(self, environ: dict[str, str]) -> None:
        outcome = attempt({"CINEMILL_HOME": "/nonexistent", **environ})
        assert isinstance(outcome, Settings) or outcome.problems

    @given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
    def test_heartbeat_is_at_most_a_third_of_the_lease(self, lease: float, beat: float) -> None:
        environ = {"CINEMILL_LEASE_SECONDS": str(lease), "CINEMILL_HEARTBEAT_SECONDS": str(beat)}
        if beat * 3 <= lease:
            assert load(environ).lease_seconds == lease
        elif beat * 3 > lease * 1.001:
            assert set(problems_of(environ)) == {"CINEMILL_HEARTBEAT_SECONDS"}

    @given(st.integers(0, 100))
    def test_weights_that_sum_to_one_are_accepted(self, percent: int) -> None:
        settings = load(
            {
                "ENSEMBLE_WEIGHT_RESNET50": str(percent / 100),
                "ENSEMBLE_WEIGHT_CLIP": str(1 - percent / 100),
            }
        )
        assert settings.ensemble_weight_resnet50 == percent / 100


class TestSettingsFile:
    def test_toml_file_in_the_home_folder_is_found(self, home: Path) -> None:
        path = write(home / "settings.toml", '[celery]\nworker_pool = "solo"\n[cinemill]\nport = 9')
        settings = load({"CINEMILL_HOME": str(home)})
        assert (settings.celery_worker_pool, settings.port) == ("solo", 9)
        sources = {row.name: row.source for row in settings.describe()}
        assert sources["CINEMILL_PORT"] == str(path)

    def test_json_file_is_read_like_toml(self, home: Path) -> None:
        document = {
            "celery": {"task_time_limit": 99, "task_soft_time_limit": 9},
            "mig_enabled": True,
        }
        path = write(home / "named.json", json.dumps(document))
        settings = load({"CINEMILL_SETTINGS_FILE": str(path)})
        assert (settings.celery_task_time_limit, settings.mig_enabled) == (99, True)

    def test_environment_takes_precedence_over_the_file(self, home: Path) -> None:
        write(home / "settings.toml", "cinemill.port = 9\ncinemill.max_streams = 7")
        settings = load({"CINEMILL_HOME": str(home), "CINEMILL_PORT": "10"})
        assert (settings.port, settings.max_streams) == (10, 7)

    def test_names_in_the_file_may_be_flat_or_grouped(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "s.toml", 'DATABASE_URL = "postgresql://a/b"\nredis.url="redis://c"'
        )
        settings = load({}, path)
        assert settings.database_url == "postgresql+psycopg://a/b"
        assert settings.redis_url == "redis://c"

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("s.toml", "celery.broker_ulr = 'redis://x'", "did you mean CELERY_BROKER_URL?"),
            ("s.toml", "cinemill.port = [1]", "not a list"),
            ("s.toml", "cinemill.port = 1\nCINEMILL_PORT = 2", "second value"),
            ("s.toml", "cinemill.port = ", "is not TOML"),
            ("s.json", "{", "is not JSON"),
            ("s.json", "[]", "must hold settings by name"),
            ("s.json", "\xff", "is not JSON"),
            ("s.yaml", "a: 1", "must end in .toml or .json"),
            ("s.toml", "cinemill.port = true", "CINEMILL_PORT: must be a valid integer"),
            ("s.toml", "cinemill.settings_file = 'x'", "no such setting"),
            ("s.json", '{"clip": {"model_name": ""}}', "CLIP_MODEL_NAME: must have at least 1"),
        ],
    )
    def test_invalid_file_is_explained(
        self, tmp_path: Path, name: str, text: str, expected: str
    ) -> None:
        path = write(tmp_path / name, text)
        with pytest.raises(SettingsInvalid, match=expected.replace("?", r"\?")):
            load({}, path)

    def test_input_roots_may_be_a_list_in_the_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "s.toml", f"cinemill.input_roots = ['{tmp_path}', '/srv']")
        assert load({}, path).input_roots == (tmp_path.resolve(), Path("/srv"))

    def test_problems_of_file_and_environment_are_reported_together(self, home: Path) -> None:
        write(home / "settings.toml", "nonsense = 1")
        found = problems_of({"CINEMILL_HOME": str(home), "CINEMILL_PORT": "x"})
        assert len(found) == 2

    def test_missing_settings_file_is_a_problem(self) -> None:
        assert set(problems_of({"CINEMILL_SETTINGS_FILE": "/no/such.toml"})) == {
            "CINEMILL_SETTINGS_FILE"
        }

    @pytest.mark.parametrize("name", ["CINEMILL_SETTINGS_FILE", "CINEMILL_HOME"])
    def test_path_that_no_file_system_has_is_a_problem(self, name: str) -> None:
        assert "too long" in str(problems_of({name: f"/{'x' * 5000}"}))

    @pytest.mark.parametrize("filename", ["deep.json", "deep.toml"])
    def test_settings_file_without_end_of_nesting_is_a_problem(
        self, tmp_path: Path, filename: str
    ) -> None:
        path = tmp_path / filename
        path.write_text(("" if filename.endswith("json") else "a = ") + "[" * 100_000)
        assert "nested too deeply" in str(problems_of({"CINEMILL_SETTINGS_FILE": str(path)}))

    def test_two_settings_files_in_the_home_folder_are_a_problem(self, home: Path) -> None:
        write(home / "settings.toml", "")
        write(home / "settings.json", "{}")
        assert "keep one" in str(problems_of({"CINEMILL_HOME": str(home)}))

    def test_settings_file_in_the_home_folder_cannot_move_it(self, home: Path) -> None:
        write(home / "settings.toml", "cinemill.home = '/elsewhere'")
        assert "CINEMILL_HOME" in problems_of({"CINEMILL_HOME": str(home)})

    @given(DOCUMENTS)
    def test_any_json_yields_settings_or_problems(
        self, tmp_path_factory: pytest.TempPathFactory, document: object
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.json"
        path.write_text(json.dumps(document))
        outcome = attempt({}, path)
        assert isinstance(outcome, Settings) or outcome.problems


def test_key_of_the_language_model_is_masked() -> None:
    settings = Settings(
        language_model="tiny",
        language_model_url="http://ann:s3cret@127.0.0.1:8000/v1",
        language_model_key=SecretStr("s3cret"),
    )
    shown = " ".join(row.value_masked for row in settings.describe())
    assert "s3cret" not in shown + repr(settings) + settings.model_dump_json()
    assert settings.to_environment()["CINEMILL_LANGUAGE_MODEL_KEY"] == "s3cret"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"LANGUAGE_MODEL": "tiny"}, "LANGUAGE_MODEL"),
        ({"LANGUAGE_MODEL": "tiny", "LANGUAGE_MODEL_API": "anthropic"}, "LANGUAGE_MODEL"),
        ({"LANGUAGE_MODEL_URL": "ftp://models.example/v1"}, "LANGUAGE_MODEL_URL"),
        ({"LANGUAGE_MODEL_API": "other"}, "LANGUAGE_MODEL_API"),
    ],
)
def test_language_model_that_cannot_be_asked_is_rejected(given: dict[str, str], named: str) -> None:
    problems = problems_of({f"CINEMILL_{name}": value for name, value in given.items()})
    assert set(problems) == {f"CINEMILL_{named}"}


def test_anthropic_needs_no_address() -> None:
    settings = Settings(
        language_model="claude", language_model_api="anthropic", language_model_key=SecretStr("key")
    )
    assert settings.language_model_url is None
