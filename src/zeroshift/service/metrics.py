"""What is counted, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one service."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        ProcessCollector(registry=own)
        self.requests = Counter(
            "zeroshift_requests", "Requests that were answered.", ["method", "route", "status"], registry=own
        )
        self.seconds = Histogram(
            "zeroshift_request_seconds", "From a request to its answer.", ["route"], registry=own, buckets=SECONDS
        )
        self.places = Gauge("zeroshift_requests_in_progress", "Requests that are read, wait or run.", registry=own)
        self.held = Gauge("zeroshift_held_bytes", "Bodies and decoded pictures of requests.", registry=own)
        self.waiting = Gauge("zeroshift_waiting", "Jobs that wait for a device.", ["device"], registry=own)
        self.running = Gauge("zeroshift_running", "Jobs that run on a device.", ["device"], registry=own)
        self.together = Histogram(
            "zeroshift_batch_pictures",
            "Pictures that were begun together.",
            ["device"],
            registry=own,
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )
        self.run_seconds = Histogram(
            "zeroshift_run_seconds", "One run of a device.", ["device"], registry=own, buckets=SECONDS
        )
        self.steps = Counter("zeroshift_steps", "Steps of the network.", ["device"], registry=own)
        self.ended = Counter("zeroshift_jobs", "Jobs that ended, by how.", ["how"], registry=own)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
