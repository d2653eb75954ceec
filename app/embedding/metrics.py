"""What an engine counts, in a registry of its own; no label holds anything that a caller wrote."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class EngineMetrics:
    """Tokens, fill of batches, and times, each by lane."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tokens = Counter(
            "folio_embedding_tokens", "Tokens that were read", ["lane"], registry=self.registry
        )
        self.fill = Histogram(
            "folio_embedding_batch_fill",
            "Tokens of a batch, as a share of its budget",
            ["lane"],
            buckets=(0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 2, 4, 8),
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "folio_embedding_queue_seconds",
            "Time that an item waited before its pass began",
            ["lane"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.seconds = Histogram(
            "folio_embedding_seconds",
            "Time from a call to its vectors",
            ["lane"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "folio_embedding_refused",
            "Calls refused because too many tokens waited",
            ["lane"],
            registry=self.registry,
        )
        self.waiting_tokens = Gauge(
            "folio_embedding_waiting_tokens",
            "Tokens that wait for their pass",
            ["lane"],
            registry=self.registry,
        )
