"""OpenAPI describes the parameters of every kind of job, from the models that read them."""

from __future__ import annotations

import json
import re

from cinemill.api.schema import REFERENCE, describe_parameters, describe_request
from cinemill.catalog import CATALOG


def test_every_kind_is_named_with_its_model() -> None:
    request = describe_request()
    assert request["kind"]["enum"] == sorted(CATALOG.jobs)
    for kind in CATALOG.jobs.values():
        assert f"{kind.name}: {kind.parameters.__name__}" in request["params"]["description"]


def test_every_reference_leads_somewhere() -> None:
    schemas = describe_parameters()
    written = json.dumps([schemas, describe_request()])
    assert set(re.findall(rf'"{REFERENCE}(\w+)"', written)) <= schemas.keys()


def test_parameter_has_its_bounds_and_its_description() -> None:
    frames = describe_parameters()["PreviewParameters"]["properties"]["num_frames"]
    assert (frames["minimum"], frames["maximum"], frames["default"]) == (1, 200, 10)
    assert frames["description"] == "Number of stills, spread evenly over the video."
    options = describe_parameters()["RenditionRequest"]
    assert options["additionalProperties"] is False
    assert {"bitrate", "audio", "preset"} <= options["properties"].keys()
    assert "bitrate_bps" not in options["properties"]
