"""The endpoints of analyses: verdicts, what they rest on, and what people decide about them."""

from __future__ import annotations

from cinemill.api.routes.analysis import findings, reports, requests, reviews, socket

ROUTERS = (requests.router, findings.router, reviews.router, reports.router, socket.router)
