"""Runs a render step by step as planned; each step has only the results it waited for."""

from __future__ import annotations

import shutil
from typing import Any

from tests.integration.steps.conftest import Opener

from cinemill.capabilities.render.fetch_sources import fetch_sources
from cinemill.capabilities.render.handlers import join_render, mix_render, render_pieces
from cinemill.capabilities.render.plan import RenderParameters, plan_render
from cinemill.capabilities.render.validate import validate_render
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources

HANDLERS = {
    "gather_sources": fetch_sources,
    "open_render": validate_render,
    "render_pieces": render_pieces,
    "mix_sound": mix_render,
    "join_render": join_render,
}


def clear(context: StepContext) -> None:
    """Remove the work folder, as the runner does after each attempt."""
    shutil.rmtree(context.folder)


def run_plan(resources: StepResources, open_context: Opener, timeline: Any) -> dict[str, Any]:
    """Run all steps of the plan and return their results by name."""
    results: dict[str, Any] = {}
    for step in plan_render(RenderParameters(job=timeline), None):
        inputs = {name: results[name] for name in step.after}
        context = open_context(timeline, params=step.params, inputs=inputs)
        try:
            outcome = HANDLERS[step.kind](resources, context)
        finally:
            clear(context)
        if step.kind != "join_render":  # there is no row of a job
            with resources.database.begin() as connection:
                outcome.write(connection)
        results[step.name] = outcome.result
    return results
