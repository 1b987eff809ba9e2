"""The endpoints of analyses: verdicts, what they rest on, and what people decide about them."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.routes.analysis import findings, reports, requests, reviews

router = APIRouter()
for part in (requests, findings, reviews, reports):
    router.include_router(part.router)
