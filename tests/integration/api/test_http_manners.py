"""What HTTP asks of a server: HEAD, Allow, ETag and 304, gzip, Location, unknown parameters."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from cinemill.api.app import include_own_routers
from cinemill.api.schema import Application
from cinemill.storage.database import Database

from .conftest import FILM_HEAD, RunningApi, StartApi
from .test_sockets import request_analysis

V1 = "/api/v1"
YEAR = "private, max-age=31536000, immutable"
ASKED = "private, no-cache"
COUNTING = ("/stats",)
"""Addresses of documents that may have changed when they are read again."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def film(api: RunningApi) -> tuple[str, bytes]:
    """A video of over a megabyte: its id, and its bytes."""
    content = FILM_HEAD + os.urandom(1_200_000)
    answer = api.upload(content)
    job = api.http.get(f"{V1}/jobs/{answer.json()['task_id']}").json()
    return str(job["asset_id"]), content


@pytest.fixture
def ids(api: RunningApi, film: tuple[str, bytes]) -> Mapping[str, str]:
    job_id = api.submit()
    captions = {"captions": [{"start_ms": 0, "end_ms": 900, "lines": ["Good morning."]}]}
    api.http.put(f"{V1}/assets/{film[0]}/captions/en", json=captions).raise_for_status()
    return {
        "job_id": job_id,
        "task_id": job_id,
        "asset_id": film[0],
        "analysis_id": request_analysis(api),
        "kind": "source",
        "language": "en",
    }


def read_methods() -> Mapping[str, set[str]]:
    """Return the methods of every path that Cinemill's own routers have."""
    app = Application(title="Cinemill", version="1", docs_url=None, redoc_url=None)
    include_own_routers(app)
    found: dict[str, set[str]] = defaultdict(set)
    for context in iter_route_contexts(app.routes):
        if context.path is not None:
            found[context.path] |= set(context.methods or ())
    return found


def fill(path: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"{(\w+)[^}]*}", lambda name: ids.get(name[1], "none"), path)


def set_of(header: str | None) -> set[str]:
    return {one.strip().lower() for one in (header or "").split(",")}


def list_gets(ids: Mapping[str, str]) -> Iterator[str]:
    for path, methods in sorted(read_methods().items()):
        if "GET" in methods and not path.endswith("/ws"):
            yield fill(path, ids)


class TestHead:
    def test_every_get_has_a_head_with_the_same_headers(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        paths = list(list_gets(ids))
        assert len(paths) > 60
        for path in (*paths, "/", "/docs", "/openapi.json", "/static/app.css"):
            head = api.http.head(path)
            with api.http.stream("GET", path) as get:
                assert head.status_code == get.status_code, path
                assert head.headers.get("content-type") == get.headers.get("content-type"), path
                assert head.headers.get("vary") == get.headers.get("vary"), path
                assert ("content-length" in head.headers) == ("content-length" in get.headers)
            assert head.content == b"", path

    def test_head_of_a_file_says_its_size_and_tag(
        self, api: RunningApi, film: tuple[str, bytes]
    ) -> None:
        asset_id, content = film
        answer = api.http.head(f"{V1}/assets/{asset_id}/files/source")
        assert int(answer.headers["content-length"]) == len(content)
        assert answer.headers["accept-ranges"] == "bytes"
        ranged = {"Range": "bytes=0-9"}
        assert api.http.head(answer.request.url, headers=ranged).status_code == 200
        known = {"If-None-Match": answer.headers["etag"]}
        assert api.http.head(answer.request.url, headers=known).status_code == 304

    def test_head_of_a_document_says_its_tag(self, api: RunningApi) -> None:
        path = f"{V1}/jobs/{api.submit()}"
        head, get = api.http.head(path), api.http.get(path)
        assert head.headers["etag"] == get.headers["etag"]
        assert head.headers["content-length"] == str(len(get.content))
        assert api.http.head(f"{V1}/jobs/none").status_code == 404
        assert api.stranger.head(path).status_code == 401

    def test_head_of_events_does_not_wait_for_the_end(self, api: RunningApi) -> None:
        answer = api.http.head(f"{V1}/jobs/{api.submit()}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")

    def test_head_of_what_has_no_get_is_refused(self, api: RunningApi) -> None:
        answer = api.http.head(f"{V1}/upload")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


class TestMethods:
    def test_refusal_names_the_methods_of_all_routes_of_a_path(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        checked = 0
        methods = read_methods()
        for path, served in methods.items():
            target = fill(path, ids)
            # A path with a parameter may stand for another one without.
            others = {
                method
                for other, more in methods.items()
                if re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", other), target)
                for method in more
            }
            for method in (*METHODS, "OPTIONS"):
                if method in served | others:
                    continue
                answer = api.http.request(method, target)
                assert answer.status_code == 405, (method, target)
                assert answer.headers["content-type"] == "application/problem+json"
                allowed = answer.headers["allow"].split(", ")
                assert set(allowed) == served | others | ({"HEAD"} & {*allowed}), (method, target)
                assert ("HEAD" in allowed) == ("GET" in allowed)
                checked += 1
        assert checked > 200

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", f"{V1}/jobs", "GET, HEAD, POST"),
            ("PUT", f"{V1}/jobs/none", "GET, HEAD, DELETE"),
            ("PUT", f"{V1}/assets/none", "GET, HEAD, PATCH, DELETE"),
            ("POST", f"{V1}/assets/none/captions/en", "GET, HEAD, PUT, DELETE"),
            ("DELETE", f"{V1}/upload", "POST"),
            ("POST", "/task/none", "GET, HEAD"),
            ("POST", "/", "GET, HEAD"),
            ("POST", "/static/app.css", "GET, HEAD"),
            ("DELETE", "/openapi.json", "GET, HEAD"),
        ],
    )
    def test_allow_has_an_order(
        self, api: RunningApi, method: str, path: str, allowed: str
    ) -> None:
        answer = api.http.request(method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (405, allowed)

    def test_allow_below_a_public_path(self, start_api: StartApi) -> None:
        proxied = start_api(CINEMILL_PUBLIC_URL="http://films.example/mill")
        headers = {"Host": "films.example"}
        for path in ("/mill/api/v1/jobs", "/mill/static/app.css"):
            answer = proxied.http.put(path, headers=headers)
            assert answer.status_code == 405
            assert answer.headers["allow"].startswith("GET, HEAD")


class TestKnownAnswers:
    def test_every_answer_with_a_tag_is_known_by_it(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        tagged = 0
        for path in (*list_gets(ids), "/", "/search", "/docs", "/openapi.json", "/static/app.css"):
            with api.http.stream("GET", path) as first:
                tag, vary = first.headers.get("etag"), first.headers.get("vary")
                is_stored = "no-store" not in first.headers["cache-control"]
            if first.status_code != 200:
                continue
            assert (tag is not None) == is_stored, path
            if tag is None:
                continue
            again = api.http.get(path, headers={"If-None-Match": f'"x", {tag}'})
            if again.status_code == 200 and path.endswith(COUNTING):
                continue
            tagged += 1
            assert (again.status_code, again.content) == (304, b""), path
            assert again.headers["etag"] == tag
            assert set_of(again.headers.get("vary")) == set_of(vary), path
        assert tagged > 30

    def test_file_of_over_a_megabyte(self, api: RunningApi, film: tuple[str, bytes]) -> None:
        asset_id, content = film
        path = f"{V1}/assets/{asset_id}/files/source"
        first = api.http.get(path)
        assert first.content == content
        # What an asset is of never changes, but its name and type may: they are asked about.
        assert first.headers["cache-control"] == ASKED
        tag = first.headers["etag"]
        named = f"{path}?sha256={hashlib.sha256(content).hexdigest()}"
        assert api.http.get(named).headers["cache-control"] == YEAR
        # A 304 would not tell a browser the present name.
        saved = api.http.get(path, params={"download": True})
        assert saved.headers["cache-control"] == "no-store"
        for more in ({}, {"Range": "bytes=0-99"}):
            again = api.http.get(path, headers={"If-None-Match": tag, **more})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["cache-control"] == ASKED
        other = api.http.get(path, headers={"If-None-Match": '"x"', "Range": "bytes=0-99"})
        assert (other.status_code, len(other.content)) == (206, 100)

    def test_document_and_page_at_one_address_are_kept_apart(
        self, api: RunningApi, film: tuple[str, bytes]
    ) -> None:
        for accepted in ("application/json", "text/html"):
            first = api.http.get(f"/assets/{film[0]}", headers={"Accept": accepted})
            assert first.headers["content-type"].startswith(accepted)
            headers = {"Accept": accepted, "If-None-Match": first.headers["etag"]}
            again = api.http.get(f"/assets/{film[0]}", headers=headers)
            assert again.status_code == 304
            for answer in (first, again):
                assert "accept" in set_of(answer.headers["vary"])

    def test_document_of_over_a_megabyte(self, api: RunningApi, film: tuple[str, bytes]) -> None:
        path = f"{V1}/assets/{film[0]}/captions/en"
        cues = [
            {"start_ms": 100 * one, "end_ms": 100 * one + 90, "lines": [f"{one} " + "x" * 200]}
            for one in range(6000)
        ]
        api.http.put(path, json={"captions": cues}).raise_for_status()
        first = api.http.get(path)
        assert len(first.content) > 1024**2
        again = api.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_corrected_captions_are_seen_at_once(
        self, api: RunningApi, film: tuple[str, bytes]
    ) -> None:
        path = f"{V1}/assets/{film[0]}/captions/de"
        newest = f"{V1}/assets/{film[0]}/files/captions_vtt?language=de"
        named: list[str] = []
        tags: list[str] = []
        for text in ("Guten Morgen.", "Guten Abend."):
            body = {"captions": [{"start_ms": 0, "end_ms": 900, "lines": [text]}]}
            api.http.put(path, json=body, headers={"If-Match": "*"} if tags else {})
            document = api.http.get(path)
            tags.append(document.headers["etag"])
            named.append(document.json()["files"]["vtt"]["url"])
            file = api.http.get(newest)
            assert text in file.text
            assert file.headers["cache-control"] == ASKED
            known = api.http.get(newest, headers={"If-None-Match": file.headers["etag"]})
            assert known.status_code == 304
            kept = api.http.get(named[-1])
            assert text in kept.text
            assert kept.headers["cache-control"] == YEAR
        assert tags[0] != tags[1]
        assert api.http.get(path, headers={"If-None-Match": tags[0]}).status_code == 200
        assert api.http.get(path, headers={"If-None-Match": tags[1]}).status_code == 304
        # An address that names a content never returns another one.
        gone = api.http.get(named[0])
        assert (gone.status_code, gone.json()["code"]) == (404, "artifact_not_found")
        wrong = api.http.get(f"{newest}&sha256=abc")
        assert (wrong.status_code, wrong.json()["code"]) == (422, "parameters_invalid")

    def test_tag_is_taken_by_if_match_in_every_form(
        self, api: RunningApi, film: tuple[str, bytes]
    ) -> None:
        path = f"{V1}/assets/{film[0]}/captions/fr"
        body = {"captions": [{"start_ms": 0, "end_ms": 900, "lines": ["Bonjour."]}]}
        api.http.put(path, json=body).raise_for_status()
        document = api.http.get(path)
        tag, version = document.headers["etag"], document.json()["version"]
        for named in (tag, tag.removeprefix("W/"), tag.removeprefix("W/").strip('"'), version):
            assert api.http.put(path, json=body, headers={"If-Match": named}).status_code == 200
        quoted = {"If-Match": f'"{version}"'}
        assert api.http.put(path, json=body, headers=quoted).status_code == 200


class TestCompression:
    def test_long_json_is_compressed_where_it_is_accepted(self, api: RunningApi) -> None:
        plain = api.http.get("/openapi.json", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        for coding in ("gzip", "br, gzip;q=0.1", "*"):
            packed = api.http.get("/openapi.json", headers={"Accept-Encoding": coding})
            assert packed.headers["content-encoding"] == "gzip"
            assert int(packed.headers["content-length"]) < len(plain.content) / 4
            assert packed.content == plain.content
            # One tag for both, so that a proxy's copy is known however it was fetched.
            assert packed.headers["etag"] == plain.headers["etag"]
            assert "accept-encoding" in packed.headers["vary"].lower()
        refused = api.http.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0"})
        assert "content-encoding" not in refused.headers

    def test_bytes_on_the_wire_are_gzip(self, api: RunningApi) -> None:
        with api.http.stream("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert gzip.decompress(raw).startswith(b'{"openapi"')

    def test_files_events_and_short_answers_are_not(
        self, api: RunningApi, film: tuple[str, bytes]
    ) -> None:
        events = f"{V1}/jobs/{api.submit()}/events"
        for path in (f"{V1}/assets/{film[0]}/files/source", events, "/health"):
            with api.http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.status_code == 200
                assert "content-encoding" not in answer.headers


class TestParameters:
    def test_unknown_parameter_is_refused_everywhere(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        refused = 0
        for path, methods in read_methods().items():
            if not path.startswith(V1) or path.endswith("/ws"):
                continue
            for method in sorted(methods):
                answer = api.http.request(method, f"{fill(path, ids)}?limitt=5&b=1")
                assert answer.status_code == 422, (method, path)
                problems = {one["name"]: one["what"] for one in answer.json()["problems"]}
                assert problems.keys() == {"limitt", "b"}
                assert all(what.startswith("is unknown") for what in problems.values())
                refused += 1
        assert refused > 60

    def test_parameter_that_is_no_list_is_given_once(self, api: RunningApi) -> None:
        answer = api.http.get(f"{V1}/jobs?limit=1&limit=500&status=failed")
        assert answer.status_code == 422
        assert answer.json()["problems"] == [{"name": "limit", "what": "is given more than once"}]
        assert api.http.get("/jobs?limit=1&limit=500").status_code == 200
        several = f"{V1}/search?q=x&collection=a&collection=b"
        assert "more than once" not in api.http.get(several).text

    def test_known_ones_are_listed(self, api: RunningApi) -> None:
        detail = api.http.get(f"{V1}/assets?before=x").json()["detail"]
        assert detail == "before: is unknown; there are being_deleted, cursor, limit"

    @pytest.mark.parametrize("path", ["jobs", "jobs/retry"])
    def test_unknown_member_is_ignored_at_addresses_without_a_version(
        self, api: RunningApi, path: str
    ) -> None:
        body = {"kind": "get_queue_stats", "sent_by": "a script of somebody else"}
        assert api.http.post(f"/{path}", json=body).is_success
        assert api.http.post(f"{V1}/{path}", json=body).status_code == 422

    def test_unknown_member_of_a_body_is_refused(self, api: RunningApi) -> None:
        body = {"kind": "get_queue_stats", "prority": 9}
        answer = api.http.post(f"{V1}/jobs", json=body)
        assert answer.status_code == 422
        assert answer.json()["problems"] == [{"name": "prority", "what": "is unknown"}]

    def test_contract_takes_whatever_scripts_add(self, api: RunningApi) -> None:
        job_id = api.submit()
        for path in (f"/task/{job_id}", f"/task/{job_id}/result", "/health", "/logs", "/debug"):
            assert api.http.get(f"{path}?_=1700000000").status_code in (200, 202), path


class TestCreation:
    def test_each_creation_leads_to_what_was_created(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        asset = f"{V1}/assets/{ids['asset_id']}"
        calls: list[tuple[str, dict[str, Any]]] = [
            (f"{V1}/jobs", {"kind": "get_queue_stats"}),
            (f"{asset}/jobs", {"kind": "process_video"}),
            (f"{asset}/analyses", {}),
            (f"{asset}/ingestions", {}),
            (f"{V1}/analyses", {"asset_ids": [ids["asset_id"]]}),
        ]
        for path, body in calls:
            created = api.http.post(path, json=body)
            assert created.status_code == 201, created.text
            found = api.http.get(created.headers["location"])
            assert found.status_code == 200
            document = created.json()
            wanted = document["analyses"][0]["id"] if "analyses" in document else document["id"]
            assert wanted in found.text

    def test_unfinished_result_leads_to_its_task(self, api: RunningApi) -> None:
        job_id = api.submit()
        answer = api.http.get(f"/task/{job_id}/result")
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/task/{job_id}"
        assert answer.json().keys() == {"status", "output_filename", "message"}


class TestPages:
    def read_pages(self, api: RunningApi, path: str, member: str) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            separator = "&" if "?" in path else "?"
            page = api.http.get(f"{path}{separator}limit=1{cursor}").raise_for_status().json()
            assert len(page[member]) <= 1
            found += page[member]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def test_steps_of_a_job(self, api: RunningApi) -> None:
        job_id = api.submit()
        whole = api.http.get(f"{V1}/jobs/{job_id}/status").json()["steps"]
        assert len(whole) > 1
        assert self.read_pages(api, f"{V1}/jobs/{job_id}/steps", "steps") == whole

    def test_files_of_a_video(self, api: RunningApi, ids: Mapping[str, str]) -> None:
        asset = f"{V1}/assets/{ids['asset_id']}"
        whole = api.http.get(asset).json()["artifacts"]
        assert len(whole) == 4
        assert self.read_pages(api, f"{asset}/files", "files") == whole

    def test_entities_of_a_name(self, api: RunningApi, library: Database) -> None:
        path = f"{V1}/entities?name=Anna"
        whole = api.http.get(path).json()["entities"]
        assert self.read_pages(api, path, "entities") == whole

    def test_cursor_of_other_lists_is_refused(
        self, api: RunningApi, ids: Mapping[str, str]
    ) -> None:
        api.submit()
        for other in ("jobs", "assets"):
            cursor = api.http.get(f"{V1}/{other}?limit=1").json()["next"]
            answer = api.http.get(f"{V1}/assets/{ids['asset_id']}/files?cursor={cursor}")
            assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), other

    @pytest.mark.parametrize("path", ["jobs/{job_id}/steps", "entities?name=Anna"])
    def test_cursor_of_no_page_is_refused(
        self, api: RunningApi, ids: Mapping[str, str], path: str
    ) -> None:
        target = f"{V1}/{fill(path, ids)}"
        separator = "&" if "?" in target else "?"
        for cursor in ("x", "WyJ4Il0", "a" * 1999):
            answer: httpx.Response = api.http.get(f"{target}{separator}cursor={cursor}")
            assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")
