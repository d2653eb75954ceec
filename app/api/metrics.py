"""Prometheus metrics of the service; no label holds anything that a caller wrote."""

from collections.abc import Mapping
from time import perf_counter

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain import Status

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "folio_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "folio_http_request_seconds",
            "Time to the last byte of the answer",
            ["method", "route"],
            registry=self._registry,
        )
        self._documents = Gauge(
            "folio_documents",
            "Documents by the status of their latest version",
            ["status"],
            registry=self._registry,
        )

    def render(
        self, documents: Mapping[Status, int], engine: CollectorRegistry | None = None
    ) -> tuple[bytes, str]:
        """Return the text format, with what the engine counts, and its media type."""
        for status, count in documents.items():
            self._documents.labels(status.value).set(count)
        model = b"" if engine is None else generate_latest(engine)
        return generate_latest(self._registry) + model, CONTENT_TYPE_LATEST


class MetricsMiddleware:
    """Counts and times every request by its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            # The method comes from the caller, who may write anything.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_seconds.labels(method, route).observe(perf_counter() - started)
