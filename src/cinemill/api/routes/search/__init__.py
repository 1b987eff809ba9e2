"""The endpoints of ingestions, search, answers, conversations, entities and findings."""

from __future__ import annotations

from cinemill.api.routes.search import (
    conversations,
    entities,
    findings,
    ingestions,
    pictures,
    questions,
    scenes,
    searches,
)

ROUTERS = (
    searches.router,
    questions.router,
    conversations.router,
    entities.router,
    findings.router,
    scenes.router,
    ingestions.router,
    pictures.router,
)
