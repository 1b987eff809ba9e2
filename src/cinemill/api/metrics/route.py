"""``GET /metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.metrics.scrape import MetricsScraper

router = APIRouter(tags=["operate"], route_class=BoundedRoute)
_MEDIA_TYPES = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The metrics, in Prometheus' text format or as OpenMetrics.",
            "content": {one: {"schema": {"type": "string"}} for one in _MEDIA_TYPES},
        }
    },
)
async def read_metrics(request: Request) -> Response:
    """Return the metrics of the whole installation for Prometheus.

    Responds within three seconds, also if PostgreSQL or Redis does not: then
    ``cinemill_component_up`` is 0 and the metrics of that component are missing. Needs the token,
    like every other request: put it into the scrape configuration as a bearer token.
    """
    scraper: MetricsScraper = request.app.state.metrics
    document, media_type = await scraper.scrape(request.headers.get("accept", ""))
    return Response(document, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
