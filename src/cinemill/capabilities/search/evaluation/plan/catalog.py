"""All families, by the split that they belong to."""

from __future__ import annotations

from cinemill.capabilities.search.evaluation.plan.final_families import TEST_FAMILIES
from cinemill.capabilities.search.evaluation.plan.records import Family, Split
from cinemill.capabilities.search.evaluation.plan.tune_families import TUNE_FAMILIES
from cinemill.capabilities.search.evaluation.plan.validate_families import VALIDATE_FAMILIES

FAMILIES = {
    Split.TUNE: TUNE_FAMILIES,
    Split.VALIDATE: VALIDATE_FAMILIES,
    Split.TEST: TEST_FAMILIES,
}


def get_family(name: str) -> Family:
    """Return the family of this name. Raises KeyError."""
    return {one.name: one for families in FAMILIES.values() for one in families}[name]
