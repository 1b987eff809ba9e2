"""The endpoints of analyses: verdicts, what they rest on, and what people decide about them."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.routes.analysis import findings, requests, reviews, socket

router = APIRouter()
for part in (requests, findings, reviews, socket):
    # Not included as routers: routes of a router within are not among those that are checked.
    router.routes.extend(part.router.routes)
