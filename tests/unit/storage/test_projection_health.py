"""What to do about each state of the projections to Qdrant."""

from __future__ import annotations

from cinemill.storage.projection.health import HealthState, ProjectionHealth


def test_each_state_has_its_own_hint() -> None:
    hints = {state: ProjectionHealth(state, "").hint for state in HealthState}
    assert hints.pop(HealthState.OK) == ""
    assert "CINEMILL_QDRANT_URL" in hints[HealthState.UNAVAILABLE]
    assert "cinemill index rebuild" in hints[HealthState.BEHIND]
    assert len(set(hints.values())) == len(hints)
