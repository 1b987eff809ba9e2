"""The optional fields of an upload, checked before the file is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from cinemill.api.http.bodies import read_json
from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.catalog import CATALOG
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY, StepSpec
from cinemill.core.parameter_reader import dotted_name, list_problems
from cinemill.core.parameters import Expected, Parameters
from cinemill.core.text.storable_text import Text
from cinemill.errors import InputRejected

DEFAULT_KIND = "process_video"
_ANY_ASSET = "-"
Plan = Callable[[str, Mapping[str, object], str | None], Sequence[StepSpec]]
MOST_DIGITS = 19
LONGEST_COLLECTION = 255


def _read_object(text: object) -> object:
    """Read a JSON text. Raises ValueError where it is none; InputRejected where it has too much."""
    return read_json(text.encode()) if isinstance(text, str) else text


def _read_priority(text: object) -> object:
    """Read decimal digits of any script. Raises ValueError for a sign, a point or an underscore."""
    if not isinstance(text, str):
        return text
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise ValueError
    return int(text)


class UploadOptions(Parameters):
    """Optional fields of an upload. Fields before the file are checked before it is received."""

    model_config = ConfigDict(extra="ignore")
    error_code = ParametersInvalid.code

    kind: Text = DEFAULT_KIND
    """Kind of job that processes the file."""
    params: Annotated[
        dict[str, Any],
        BeforeValidator(_read_object),
        WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
        Expected("a JSON object, such as {}"),
    ] = Field(default_factory=dict)
    """Parameters of the job, as a JSON object."""
    priority: (
        Annotated[
            int,
            BeforeValidator(_read_priority),
            Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY),
            # Pydantic would write the bounds of a value with a reader of its own as "ge" and "le".
            WithJsonSchema(
                {"type": "integer", "minimum": LOWEST_PRIORITY, "maximum": HIGHEST_PRIORITY}
            ),
            Expected(f"a whole number from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}, 10 first"),
        ]
        | None
    ) = None
    """Priority of the job; 10 runs first."""
    thumbnail_seconds: (
        Annotated[float, Field(ge=0), Expected("a number of seconds, 0 or more")] | None
    ) = None
    """Also create a thumbnail of this time, in seconds from the first frame."""
    collection: (
        Annotated[
            Text,
            Field(max_length=LONGEST_COLLECTION),
            Expected(f"at most {LONGEST_COLLECTION} characters without NUL"),
        ]
        | None
    ) = None
    """Move the video into this collection, to which searches can be limited."""

    @property
    def job_params(self) -> dict[str, Any]:
        if self.thumbnail_seconds is None:
            return self.params
        return {**self.params, "thumbnail_seconds": self.thumbnail_seconds}


def parse_options(fields: dict[str, str], *, plan: Plan = CATALOG.plan) -> UploadOptions:
    """Return the options that the fields of a form set; an empty field sets none.

    ``plan`` checks the job.

    Raises ParametersInvalid, with every field that does not fit; InputRejected where the kind of
    job cannot take these parameters. Fields that are not known are ignored: forms have buttons.
    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    try:
        options = UploadOptions.model_validate(given, strict=False)
    except ValidationError as error:
        problems = list_problems(UploadOptions, error)
        raise ParametersInvalid(
            [(dotted_name(one.location), one.what) for one in problems]
        ) from None
    # Planned to check it: a client that sends the fields first need not send the file in vain.
    plan(options.kind, options.job_params, _ANY_ASSET)
    if "path" in options.params:
        raise InputRejected("'path' cannot be used with an uploaded file.", code="params_invalid")
    return options
