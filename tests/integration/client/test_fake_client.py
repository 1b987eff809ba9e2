"""One suite for the fake client and for the real one on a real installation: they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests import films
from tests.instances import running_instance

from cinemill.client import Client, ClientError, JobDocument, RelationDocument
from cinemill.client.models import FINAL_STATUSES
from cinemill.testing import FakeClient, Outcome, fail, hold, succeed

STATS = "get_queue_stats"
RUN_FIRST = ("pending", "running")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.make_film(tmp_path_factory.mktemp("films") / "film.mp4")


@pytest.fixture(scope="module")
def broken(film: Path) -> Path:
    """A file that begins like a video and is none."""
    path = film.with_name("broken.mkv")
    path.write_bytes(bytes.fromhex("1a45dfa3") + b"\xff" * 500)
    return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("instance") / "home"
    with running_instance(home, None, film.parent) as instance, instance.client() as client:
        yield client


@pytest.fixture(params=["fake", "real"])
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "real":
        opened: Client = request.getfixturevalue("real")
        return opened
    return make_fake()


def test_fake_job_cannot_be_finished_with_an_outcome_that_has_no_end() -> None:
    fake = FakeClient()
    with pytest.raises(ValueError, match="no end"):
        fake.finish(fake.submit(STATS, {})["id"], hold())


def make_fake() -> FakeClient:
    """A fake whose videos are processed, but for those that are broken."""

    def process(job: JobDocument) -> Outcome:
        asset = fake.asset(str(job["asset_id"]))
        if asset["filename"] == "broken.mkv":
            return fail("media_truncated", "The file ends before the film does.")
        return Outcome({"output_filename": "film-proxy.mp4"}, files={"proxy": b"a proxy"})

    fake = FakeClient(outcomes={"process_video": process, STATS: succeed(total=1)})
    return fake


def refuse(call: object, *arguments: object, **named: object) -> tuple[str, int]:
    """The code and the HTTP status with which a call is refused."""
    with pytest.raises(ClientError) as refused:
        call(*arguments, **named)  # type: ignore[operator]
    assert refused.value.message
    assert refused.value.hint
    return refused.value.code, refused.value.status


def end(client: Client, job_id: object) -> str:
    return [event.status for event in client.watch(str(job_id))][-1]


def test_video_is_uploaded_watched_and_fetched(client: Client, film: Path, tmp_path: Path) -> None:
    uploaded = client.upload(film)
    assert (uploaded["kind"], uploaded["status"]) == ("process_video", "pending")
    job_id = uploaded["id"]
    events = list(client.watch(job_id))
    assert events[0].status in RUN_FIRST
    assert [event.is_final for event in events] == [*[False] * (len(events) - 1), True]
    assert (events[-1].status, events[-1].progress, events[-1].stage) == ("completed", 100, "done")
    assert client.task(job_id)["state"] == "SUCCESS"
    assert client.task(job_id)["progress"] == 100
    result = client.result(job_id)
    assert result["status"] == "SUCCESS"
    assert result["output_filename"].endswith(".mp4")

    asset_id = str(client.job(job_id)["asset_id"])
    asset = client.asset(asset_id)
    assert asset["size_bytes"] == film.stat().st_size
    assert "proxy" in {one["kind"] for one in asset["artifacts"]}
    assert client.download(asset_id, "source", tmp_path).read_bytes() == film.read_bytes()
    target = tmp_path / "proxy.mp4"
    assert client.download(asset_id, "proxy", target) == target
    assert target.stat().st_size > 0
    assert refuse(client.download, asset_id, "render", tmp_path) == ("artifact_not_found", 404)
    assert refuse(client.download, asset_id, "rendre", tmp_path)[1] == 422


def test_video_is_moved_into_a_collection(client: Client, film: Path) -> None:
    asset_id = str(client.upload(film)["asset_id"])
    for name in ("news", ""):
        assert client.set_collection(asset_id, name)["collection"] == name
        assert client.asset(asset_id)["collection"] == name
    with pytest.raises(ClientError) as refused:
        client.set_collection("none", "news")
    assert refused.value.code == "asset_not_found"


def test_video_is_uploaded_into_a_collection(client: Client, tmp_path: Path) -> None:
    own = films.make_film(tmp_path / "own.mp4", seconds=0.4, picture="testsrc", rate="20")
    asset_id = str(client.upload(own, collection="travel")["asset_id"])
    assert client.asset(asset_id)["collection"] == "travel"
    assert client.collections() == [{"name": "travel", "asset_count": 1}]
    client.upload(own)
    assert client.asset(asset_id)["collection"] == "travel"
    assert refuse(client.upload, own, collection="x" * 256) == ("parameters_invalid", 422)
    client.set_collection(asset_id, "")
    assert client.collections() == []


def test_contents_of_a_video_are_alike(client: Client, film: Path) -> None:
    asset_id = str(client.upload(film)["asset_id"])
    assert client.chapters(asset_id) == {
        "chapters": [],
        "key_moments": [],
        "track": None,
        "comparison": None,
    }
    assert list(client.scenes(asset_id)) == []
    assert refuse(client.chapters, "none") == ("asset_not_found", 404)
    assert refuse(lambda: list(client.scenes("none"))) == ("asset_not_found", 404)
    relation: RelationDocument = {
        "entity": {"id": "none"},
        "predicate": "open",
        "kind": "stated",
        "is_subject": True,
        "is_negated": False,
        "is_possible": False,
    }
    assert refuse(lambda: list(client.evidence("none", relation))) == ("entity_not_found", 404)


def test_ended_job_is_watched_to_its_end_again(client: Client) -> None:
    job_id = str(client.submit(STATS, {})["id"])
    first = list(client.watch(job_id))
    again = list(client.watch(job_id))
    assert again[-1].status == first[-1].status == "completed"
    resumed = list(client.watch(job_id, last_event_id=again[-2].id if len(again) > 1 else ""))
    assert resumed[-1].is_final
    assert len(resumed) <= len(again)


def test_job_reads_the_same_wherever_it_is_read(client: Client) -> None:
    submitted = client.submit(STATS, {}, priority=7)
    assert submitted["status"] == "pending"
    end(client, submitted["id"])
    job = client.job(str(submitted["id"]))
    assert (job["kind"], job["priority"], job["status"]) == (STATS, 7, "completed")
    assert job["finished_at"]
    assert job["error"] is None
    assert job["result"]
    (listed,) = client.jobs(id_prefix=str(submitted["id"]))
    assert listed["status"] == "completed"
    assert listed.keys() == submitted.keys() == job.keys() - {"celery_task_id"}
    (step,) = client.job_status(str(job["id"]))["steps"]
    assert (step["kind"], step["status"]) == ("count_jobs", "succeeded")


def test_documents_have_the_same_members(real: Client, film: Path) -> None:
    fake = make_fake()
    found: list[list[set[str]]] = []
    for client in (fake, real):
        job_id = client.upload(film)["id"]
        end(client, job_id)
        status = client.job_status(job_id)
        asset = client.asset(str(status["asset_id"]))
        found.append(
            [
                set(client.job(job_id)),
                set(status),
                set(status["steps"][0]),
                set(client.task(job_id)),
                set(client.result(job_id)),
                set(asset),
                set(asset["artifacts"][0]),
                set(client.assets()[0]),
                set(client.stats()),
                set(client.stats()["queue"]),
                set(client.stats()["outcomes"]["process_video"]),
                set(client.health()) - {"sandbox"},  # there only on machines without bubblewrap
            ]
        )
    assert found[0] == found[1]


def test_video_that_cannot_be_read_fails_and_can_be_tried_again(
    client: Client, broken: Path
) -> None:
    job_id = client.upload(broken)["id"]
    assert end(client, job_id) == "failed"
    job = client.job(job_id)
    failure = job["error"] or {}
    assert failure["code"] == "media_truncated"
    assert failure.keys() == {"code", "message", "hint", "log_tail", "retryable"}
    assert client.task(job_id) == {
        "state": "FAILURE",
        "status": failure["message"],
        "progress": client.task(job_id)["progress"],
    }
    (dead,) = [one for one in client.dead() if one["job_id"] == job_id]
    assert dead["error"]["code"] == "media_truncated"
    assert client.redrive(dead["id"])["status"] == "pending"
    assert refuse(client.redrive, dead["id"]) == ("dead_step_not_found", 404)
    assert end(client, job_id) == "failed"
    assert client.retry_failed(code="media_truncated", kind="process_video")["retried"] >= 1
    assert end(client, job_id) == "failed"
    assert client.retry(job_id)["status"] == "pending"
    assert end(client, job_id) == "failed"
    client.delete(job_id)
    assert refuse(client.job, job_id) == ("job_not_found", 404)


def test_what_is_refused_is_refused_with_the_same_code(
    client: Client, film: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    assert refuse(client.upload, text) == ("media_unrecognized", 422)
    text.write_text("")
    assert refuse(client.upload, text) == ("media_empty", 422)
    assert refuse(client.upload, film, kind="proces_video") == ("job_kind_unknown", 404)
    assert refuse(client.upload, film, params={"path": "x"}) == ("params_invalid", 422)
    assert refuse(client.upload, film, params={"bitrate": 1}) == ("params_invalid", 422)
    assert refuse(client.upload, film, priority=11) == ("parameters_invalid", 422)
    assert refuse(client.upload, film, thumbnail_seconds=-1) == ("parameters_invalid", 422)
    assert refuse(client.submit, "nothing", {}) == ("job_kind_unknown", 404)
    assert refuse(client.submit, "process_video", {}) == ("source_missing", 422)
    assert refuse(client.submit, STATS, {"days": 1}) == ("params_invalid", 422)
    assert refuse(client.submit, STATS, {}, priority=-1) == ("parameters_invalid", 422)
    assert refuse(client.upload, film, priority=5.5) == ("parameters_invalid", 422)
    assert refuse(client.submit, STATS, {}, priority=5.5) == ("parameters_invalid", 422)
    assert refuse(client.submit, STATS, {}, priority="high") == ("parameters_invalid", 422)
    assert refuse(client.submit, "x" * 300, {}) == ("parameters_invalid", 422)
    assert refuse(client.cancel, "no-job", "x" * 501) == ("parameters_invalid", 422)
    assert refuse(client.submit, STATS, {}, idempotency_key="k" * 256)[1] == 422
    with pytest.raises(ValueError, match="JSON"):
        client.submit(STATS, {"when": float("nan")})
    assert refuse(client.create_job, "no-asset", "process_video") == ("asset_not_found", 404)
    assert refuse(client.jobs, status="broken") == ("parameters_invalid", 422)
    assert refuse(client.jobs, limit=0) == ("parameters_invalid", 422)
    assert refuse(client.asset, "no-asset") == ("asset_not_found", 404)
    assert refuse(client.drop_dead_message, "none") == ("dead_message_not_found", 404)
    for call in (client.job, client.job_status, client.task, client.result, client.cancel):
        assert refuse(call, "no-job") == ("job_not_found", 404)
    for change in (client.retry, client.delete, client.cleanup):
        assert refuse(change, "no-job") == ("job_not_found", 404)
    assert refuse(lambda: list(client.watch("no-job"))) == ("job_not_found", 404)
    with pytest.raises(OSError, match="absent"):
        client.upload(tmp_path / "absent.mp4")
    with pytest.raises(TypeError):
        client.submit(STATS, {"when": object()})


def test_key_stands_for_one_request(client: Client, film: Path) -> None:
    first = client.upload(film, idempotency_key="one")
    assert client.upload(film, idempotency_key="one")["id"] == first["id"]
    conflict = ("idempotency_conflict", 409)
    assert refuse(client.submit, STATS, {}, idempotency_key="one") == conflict
    blank = [client.submit(STATS, {}, idempotency_key="")["id"] for _ in range(2)]
    assert blank[0] != blank[1]
    second = client.submit(STATS, {}, idempotency_key="two")
    assert client.submit(STATS, {}, idempotency_key="two")["id"] == second["id"]


def test_what_has_ended_is_neither_cancelled_nor_retried(client: Client) -> None:
    job_id = str(client.submit(STATS, {})["id"])
    assert end(client, job_id) == "completed"
    assert refuse(client.cancel, job_id) == ("job_ended", 409)
    assert refuse(client.retry, job_id) == ("job_not_failed", 409)


def test_job_is_cancelled_with_a_reason(client: Client, film: Path) -> None:
    # Behind others, so that it still waits when it is cancelled.
    before = [client.upload(film, kind="generate_preview")["id"] for _ in range(3)]
    job_id = client.upload(film, priority=0)["id"]
    cancelled = client.cancel(job_id, "no longer needed")
    assert cancelled["cancel_reason"] == "no longer needed"
    assert end(client, job_id) == "cancelled"
    assert client.job(job_id)["status"] == "cancelled"
    assert client.task(job_id)["state"] == "FAILURE"
    assert "no longer needed" in client.task(job_id)["status"]
    assert client.retry(job_id)["status"] == "pending"
    assert end(client, job_id) == "completed"
    assert {end(client, other) for other in before} == {"completed"}


def test_jobs_are_listed_newest_first_and_by_pages(client: Client) -> None:
    ids = [str(client.submit(STATS, {})["id"]) for _ in range(4)]
    for job_id in ids:
        end(client, job_id)
    listed = [str(job["id"]) for job in client.jobs(kind=STATS, limit=4)]
    assert listed == ids[::-1]
    page = [str(job["id"]) for job in client.jobs(kind=STATS, limit=2, before=ids[2])]
    assert page == [ids[1], ids[0]]
    assert {job["status"] for job in client.jobs(kind=STATS, status="completed")} == {"completed"}
    assert client.jobs(kind="no_such_kind") == []
    assert client.jobs(before="no-job") == []
    assert client.jobs(id_prefix="%") == []


def test_video_is_deleted_and_restored(client: Client, tmp_path: Path) -> None:
    own = films.make_film(tmp_path / "unwanted.mkv", seconds=1, picture="pal100bars")
    asset_id = str(client.upload(own)["asset_id"])

    def is_listed() -> bool:
        return asset_id in {asset["id"] for asset in client.assets(limit=500)}

    def refusal(call: Callable[[], object]) -> tuple[int, str]:
        with pytest.raises(ClientError) as refused:
            call()
        return refused.value.status, refused.value.code

    for seconds in (-1, 3601):
        wrong = partial(client.delete_asset, asset_id, undo_seconds=seconds)
        assert refusal(wrong) == (422, "parameters_invalid")
    left = client.delete_asset(asset_id, undo_seconds=600)
    assert left is not None
    assert (left["deleted_in_seconds"] or 0) > 0
    assert not is_listed()
    leaving = (409, "asset_being_deleted")
    assert refusal(lambda: client.create_job(asset_id, "process_video")) == leaving
    assert refusal(lambda: client.analyze(asset_id)) == leaving
    assert refusal(lambda: client.analyze_batch([asset_id])) == (422, "parameters_invalid")
    assert client.restore_asset(asset_id)["deleted_in_seconds"] is None
    assert is_listed()
    assert client.delete_asset(asset_id) is None
    missing = (404, "asset_not_found")
    assert refusal(lambda: client.asset(asset_id)) == missing
    assert refusal(lambda: client.delete_asset(asset_id)) == missing
    assert refusal(lambda: client.restore_asset(asset_id)) == missing


def test_task_is_cleaned_up_with_its_video(client: Client, tmp_path: Path) -> None:
    own = films.make_film(tmp_path / "own.mp4", seconds=0.5, picture="testsrc")
    job_id = client.upload(own)["id"]
    assert end(client, job_id) == "completed"
    asset_id = str(client.job(job_id)["asset_id"])
    (of_asset,) = client.jobs(asset_id=asset_id)
    assert of_asset["id"] == job_id
    further = client.create_job(asset_id, "generate_preview", params={"num_frames": 1})
    assert end(client, further["id"]) in FINAL_STATUSES
    assert client.cleanup(job_id)["message"] == "The task was deleted."
    assert client.asset(asset_id)["filename"] == "own.mp4"
    assert "derived files were deleted" in client.cleanup(str(further["id"]))["message"]
    assert refuse(client.asset, asset_id) == ("asset_not_found", 404)


def test_progress_of_an_upload_is_reported(client: Client, film: Path) -> None:
    reported: list[tuple[int, int]] = []
    client.upload(film, on_bytes=lambda done, total: reported.append((done, total)))
    assert reported[-1] == (film.stat().st_size, film.stat().st_size)


def test_analysis_without_a_detector_ends_with_that(client: Client, film: Path) -> None:
    uploaded = client.upload(film)
    end(client, uploaded["id"])
    asset_id = str(client.job(uploaded["id"])["asset_id"])
    requested = client.analyze(asset_id, fast=True)
    assert (requested["status"], requested["verdict"]) == ("pending", None)
    analysis_id = requested["id"]
    refused = refuse(client.review, analysis_id, action="accept", reviewer="Ada", reason="Fine.")
    # A fast worker may have completed it.
    assert refused in {("analysis_not_completed", 409), ("verdict_not_acceptable", 409)}
    assert end(client, analysis_id) == "completed"
    details = client.analysis(analysis_id)
    assert (details["verdict"], details["score"]) == ("no_model", None)
    assert [reason["code"] for reason in details["reasons"]] == ["no_model"]
    assert (details["fast"], details["needs_review"], details["faces"]) == (True, False, [])
    assert client.analyses(asset_id=asset_id, verdict="no_model")[0]["id"] == analysis_id
    assert list(client.analysis_frames(analysis_id)) == client.analysis_regions(analysis_id) == []
    flagged = client.review(analysis_id, action="flag", reviewer="Ada", reason="Get a detector.")
    assert (flagged["model_verdict"], flagged["verdict"]) == ("no_model", None)
    assert analysis_id in [one["id"] for one in client.review_queue()]
    person = {"reviewer": "Bob", "reason": "So it is."}
    accept, override = {**person, "action": "accept"}, {**person, "action": "override"}
    assert refuse(client.review, analysis_id, **accept) == ("verdict_not_acceptable", 409)
    override["verdict"] = "no_face"
    assert refuse(client.review, analysis_id, **override, seen=0) == ("review_conflict", 409)
    decided = client.review(analysis_id, **override, seen=flagged["id"])
    assert client.reviews(analysis_id) == [flagged, decided]
    assert client.analysis(analysis_id)["reviewed_verdict"] == "no_face"


def test_what_is_no_analysis_is_refused(client: Client, film: Path) -> None:
    job_id = client.submit(STATS, {})["id"]
    for call in (client.analysis, client.analysis_regions, client.reviews):
        assert refuse(call, job_id) == ("analysis_not_found", 404)
    assert refuse(client.analyze, "none") == ("asset_not_found", 404)
    assert refuse(client.analyze_batch, ["none"]) == ("parameters_invalid", 422)
    assert refuse(client.analyze_batch, []) == ("parameters_invalid", 422)
    assert refuse(client.analyses, verdict="fake") == ("parameters_invalid", 422)


def test_library_without_passages_is_searched_alike(client: Client) -> None:
    found = client.search("rose garden", limit=5)
    assert (found["hits"], found["nearest"], found["nothing_found"]) == ([], [], True)
    assert client.entities("Alice Walker") == []
    answer = client.ask("Who opened the rose garden?")
    assert (answer["answer"], answer["abstain_reason"]) == ("", "nothing-found")
    names = [event.name for event in client.ask_events("Who else opened a garden?")]
    assert names == ["retrieval", "done"]


def test_conversations_are_alike(client: Client) -> None:
    first = client.ask("Who opened the rose garden?")
    identity = str(first["conversation_id"])
    again = client.ask("Who closed the rose garden?", conversation_id=identity)
    assert again["conversation_id"] == identity
    (latest,) = client.conversations(limit=1)
    assert (latest["id"], latest["turn_count"]) == (identity, 2)
    turns = client.conversation(identity)["turns"]
    assert [turn["number"] for turn in turns] == [1, 2]
    client.delete_conversation(identity)
    refusals = [
        refuse(client.conversation, identity),
        refuse(client.delete_conversation, identity),
        refuse(client.ask, "Who?", conversation_id=identity),
    ]
    assert refusals == [("conversation_not_found", 404)] * 3


def test_impossible_searches_are_refused_alike(client: Client) -> None:
    assert refuse(client.search, " ") == ("query_empty", 422)
    assert refuse(client.search, "x" * 10_001) == ("query_too_long", 413)
    assert refuse(client.search, "rose", limit=0) == ("parameters_invalid", 422)
    assert refuse(client.search, "rose", mode="magic") == ("parameters_invalid", 422)
    assert refuse(client.ask, "") == ("query_empty", 422)
    assert refuse(client.entity, "none") == ("entity_not_found", 404)
    assert refuse(client.entities, "") == ("parameters_invalid", 422)
    assert refuse(lambda: list(client.findings("none"))) == ("asset_not_found", 404)


def test_library_without_pictures_is_searched_alike(client: Client, film: Path) -> None:
    job = client.upload(film)
    end(client, job["id"])
    asset_id = str(client.job(job["id"])["asset_id"])
    invalid = ("parameters_invalid", 422)
    missing = ("pictures_not_indexed", 409)
    assert refuse(client.similar_moments, asset_id, 0.5) == missing
    assert refuse(client.similar_moments, "none", 0.5) == ("asset_not_found", 404)
    assert refuse(client.similar_moments, asset_id, -1) == invalid
    assert refuse(client.similar_moments, asset_id, 1, by="sound") == invalid
    assert refuse(client.search_pictures, "a red car") == missing
    assert refuse(client.search_pictures, " ") == ("query_empty", 422)
    assert refuse(client.search_pictures, "a red car", limit=0) == invalid
    assert refuse(client.search_by_picture, film) == ("picture_unreadable", 422)
    assert refuse(client.search_by_picture, film, limit=201) == invalid


def test_impossible_ranges_of_findings_are_refused_alike(client: Client, film: Path) -> None:
    asset_id = str(client.upload(film)["asset_id"])
    assert list(client.findings(asset_id, start=0, end=0.5)) == []
    for wrong in ({"start": -1.0}, {"end": float("nan")}):
        refused = refuse(lambda wrong=wrong: list(client.findings(asset_id, **wrong)))
        assert refused == ("parameters_invalid", 422)
