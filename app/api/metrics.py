"""Prometheus metrics of the service; no label holds anything that a caller wrote."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RouteTimes:
    """How long the answers of a route took since the start."""

    route: str
    count: int
    mean_ms: float
    spread: tuple[tuple[float, int], ...]
    """Answers by the upper end of their time in seconds, the shortest first."""


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

    def list_times(self, limit: int) -> list[RouteTimes]:
        """Return the times of the routes that were asked most, the most asked first."""
        counts: dict[str, dict[str, float]] = defaultdict(dict)
        for metric in self.request_seconds.collect():
            for sample in metric.samples:
                name = f"{sample.labels['method']} {sample.labels['route']}"
                part = sample.name.rpartition("_")[2]
                counts[name][sample.labels.get("le", part)] = sample.value
        times = [_describe_times(name, values) for name, values in counts.items()]
        return sorted(times, key=lambda one: -one.count)[:limit]

    def render(
        self, documents: Mapping[Status, int], engine: CollectorRegistry | None = None
    ) -> tuple[bytes, str]:
        """Return the text format, with what the engine counts, and its media type."""
        for status, count in documents.items():
            self._documents.labels(status.value).set(count)
        model = b"" if engine is None else generate_latest(engine)
        return generate_latest(self._registry) + model, CONTENT_TYPE_LATEST


def _describe_times(name: str, values: Mapping[str, float]) -> RouteTimes:
    """Return the times of a route by its samples: buckets, which are cumulative, count and sum."""
    ends = sorted((float(end), int(n)) for end, n in values.items() if end[0] in "0123456789+")
    spread = tuple(
        (end, n - before)
        for (end, n), before in zip(ends, (0, *(n for _, n in ends)), strict=False)
    )
    count = int(values["count"])
    return RouteTimes(name, count, 1000 * values["sum"] / max(count, 1), spread)


class MetricsMiddleware:
    """Counts and times every request by its route's template.

    Methods become labels, so unknown ones are refused before (app/api/methods.py).
    """

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
            method = scope["method"]
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_seconds.labels(method, route).observe(perf_counter() - started)
