"""Content credentials of a file (C2PA): what was found, in words that promise no more than that."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from cinemill.core.documents import JsonObject

if TYPE_CHECKING:
    from pydantic import TypeAdapter

INSTALL_COMMAND = "pip install 'cinemill[provenance]'"
TRUST_SETTING = "CINEMILL_C2PA_TRUST_ANCHORS"


class ProvenanceState(StrEnum):
    """The outcome of looking for content credentials. None of these is a detector's score."""

    NONE = "none"
    """The file has none, which is no evidence either way."""
    TRUSTED = "trusted"
    """Intact, and the signer's certificate leads to an anchor of the trust list."""
    UNTRUSTED_SIGNER = "untrusted_signer"
    """Intact, but the signer is not on the trust list."""
    INVALID = "invalid"
    """They do not fit the file, or their signature or certificate is not valid."""
    UNSUPPORTED = "unsupported"
    """The container cannot hold any, or the file only refers to credentials elsewhere."""
    NOT_CHECKED = "not_checked"
    """The optional reader is not installed."""
    FAILED = "failed"
    """They could not be read: the file broke its reader, or a limit was reached."""


SETTLED_STATES = frozenset(
    {*ProvenanceState} - {ProvenanceState.NOT_CHECKED, ProvenanceState.FAILED}
)
"""States worth keeping: the same file, reader and trust list would give the same again. A failure
may be due to a busy machine."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The signer's certificate and the time of signing. All text is as the certificate has it."""

    name: str = ""
    """The certificate's common name. On an untrusted certificate, anyone can write any name."""
    issuer: str = ""
    """The organization that the certificate names."""
    algorithm: str = ""
    serial_number: str = ""
    signed_at: str = ""
    """Time of signing (RFC 3339) as stated by a timestamp authority; empty without one."""
    is_time_trusted: bool = False
    """The timestamp authority's certificate leads to an anchor of the trust list."""


@dataclass(frozen=True, slots=True)
class StatedAction:
    """Something that the signer states was done to the content."""

    name: str
    """For instance ``c2pa.created`` or ``c2pa.color_adjustments``."""
    when: str = ""
    software: str = ""
    source_type: str = ""
    """The last part of the IPTC digital source type, for instance ``digitalCapture``."""
    is_generative: bool = False
    """The source type names generative AI, alone or in a composite."""


@dataclass(frozen=True, slots=True)
class StatedIngredient:
    """A file that the signer states the content was created from."""

    title: str
    relationship: str
    has_credentials: bool


@dataclass(frozen=True, slots=True)
class ProvenanceProblem:
    """A check that failed, by C2PA's status code (specification 2.1, section 15.2)."""

    code: str
    explanation: str


@dataclass(frozen=True, slots=True)
class ProvenanceReport:
    """Content credentials of a file. Stated by the signer: nobody has checked that it is true."""

    state: ProvenanceState
    reason: str = ""
    """A sentence on why it is unsupported or failed."""
    signer: Signer | None = None
    claim_generator: str = ""
    """The program that created the credentials, by its own account."""
    title: str = ""
    actions: tuple[StatedAction, ...] = ()
    ingredients: tuple[StatedIngredient, ...] = ()
    problems: tuple[ProvenanceProblem, ...] = ()
    manifests: int = 0
    """Number of manifests in the file; each earlier version may have left one."""
    is_shortened: bool = False
    """Something was left out or clipped because there was too much of it."""
    has_trust_list: bool = False
    """This installation has a trust list; without one, every signer is untrusted."""
    reader: str = ""
    """Name and version of the library that read them."""

    @property
    def is_generative(self) -> bool:
        """Return whether the signer states that generative AI created the content or a part."""
        return any(action.is_generative for action in self.actions)

    def list_sentences(self) -> list[str]:
        """Return what a reader of a report should know, the outcome first."""
        sentences = [describe_state(self)]
        if self.is_generative:
            who = _name(self.signer)
            sentences.append(f"{who} states that generative AI created the content or a part.")
        return sentences

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with the sentences."""
        document = asdict(self)
        for name in ("actions", "ingredients", "problems"):
            document[name] = list(document[name])
        return {
            **document,
            "state": self.state.value,
            "is_generative": self.is_generative,
            "sentences": self.list_sentences(),
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> ProvenanceReport:
        """Return the report of a document that :meth:`to_json` wrote. Raises ValueError."""
        return _adapter().validate_python(document)


@cache
def _adapter() -> TypeAdapter[ProvenanceReport]:
    from pydantic import TypeAdapter  # the process that reads hostile files does without

    return TypeAdapter(ProvenanceReport)


def describe_state(report: ProvenanceReport) -> str:
    """Return one sentence or two on what was found and what it means."""
    signer = _name(report.signer)
    match report.state:
        case ProvenanceState.NONE:
            return (
                "The file has no content credentials. Most files have none, and most programs drop "
                "them when they save a copy, so this is no evidence either way."
            )
        case ProvenanceState.TRUSTED:
            return (
                f"The content credentials are intact and signed by {signer}, who is on this "
                "installation's trust list. They show who signed the file, not that what it "
                "shows is real."
            )
        case ProvenanceState.UNTRUSTED_SIGNER:
            return f"The content credentials are intact, but {signer} {_explain_distrust(report)}"
        case ProvenanceState.INVALID:
            return f"The content credentials are not valid: {_explain_problem(report)}"
        case ProvenanceState.NOT_CHECKED:
            return (
                "Content credentials were not read, because the reader is not installed. "
                f"Install it with: {INSTALL_COMMAND}"
            )
        case ProvenanceState.UNSUPPORTED:
            return f"Content credentials were not read. {report.reason}"
        case ProvenanceState.FAILED:
            return f"Content credentials could not be read. {report.reason}"


def _name(signer: Signer | None) -> str:
    named = signer and (signer.name or signer.issuer)
    return f"“{named}”" if named else "the signer"


def _explain_distrust(report: ProvenanceReport) -> str:
    if report.has_trust_list:
        return (
            "is not on this installation's trust list. Anyone can create a certificate with any "
            "name."
        )
    return (
        f"cannot be verified, because this installation has no trust list ({TRUST_SETTING}). "
        "Anyone can create a certificate with any name."
    )


_CHANGED = (
    "assertion.dataHash",
    "assertion.bmffHash",
    "assertion.boxesHash",
    "assertion.hashedURI",
)


def _explain_problem(report: ProvenanceReport) -> str:
    codes = [problem.code for problem in report.problems]
    if any(code.startswith(_CHANGED) for code in codes):
        return "the file was changed after it was signed."
    if any(code == "signingCredential.expired" for code in codes):
        return "the certificate had expired, and nothing shows that it was signed before."
    if any(code == "signingCredential.revoked" for code in codes):
        return "the signer's certificate was revoked."
    if any(code.startswith("signingCredential.") for code in codes):
        return "the signer's certificate may not be used for signing content."
    if any(code.startswith("claimSignature.") for code in codes):
        return "the signature does not fit what it signs."
    return f"a check failed ({codes[0]})." if codes else "a check failed."
