"""The endpoints of ingestions, search, answers, entities, findings, chapters and collections."""

from __future__ import annotations

from cinemill.api.routes.search import (
    chapters,
    collections,
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
    chapters.router,
    collections.router,
    ingestions.router,
    pictures.router,
)
