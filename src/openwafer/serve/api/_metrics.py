"""Prometheus metrics: vLLM's names where they mean the same, in wall time; simulated time and energy
apart."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from openwafer.serve.api._service import Stream
from openwafer.serve.router._router import Router

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_SECONDS = (1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)


class Metrics:
    """Counts answers as they end; reads the router's state when it is asked."""

    def __init__(self, router: Router) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry()
        self._router = router
        model = ["model_name"]

        def histogram(
            name: str, text: str, buckets: tuple[float, ...], labels: list[str] = model
        ) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        self._prompt = counter("vllm:prompt_tokens", "Tokens of prompts.", model)
        self._written = counter("vllm:generation_tokens", "Tokens written.", model)
        self._success = counter("vllm:request_success", "Answers by their end.", [*model, "finished_reason"])
        self._queried = counter("vllm:prefix_cache_queries", "Tokens of prompts that were looked up.", model)
        self._hit = counter("vllm:prefix_cache_hits", "Of these, tokens that were there.", model)
        self._first = histogram("vllm:time_to_first_token_seconds", "Wall seconds.", _SECONDS)
        self._between = histogram(
            "vllm:inter_token_latency_seconds", "Wall seconds, an answer's mean.", _SECONDS
        )
        self._whole = histogram("vllm:e2e_request_latency_seconds", "Wall seconds.", _SECONDS)
        self._lengths = histogram("vllm:request_generation_tokens", "Tokens of an answer.", _TOKENS)
        backend = [*model, "backend", "tier"]
        self._simulated = histogram(
            "openwafer:simulated_e2e_seconds", "Simulated seconds.", _SECONDS, backend
        )
        self._simulated_first = histogram(
            "openwafer:simulated_time_to_first_token_seconds", "Simulated seconds.", _SECONDS, backend
        )
        self._joules = counter("openwafer:joules", "IT energy of answers.", backend)
        self._usd = counter("openwafer:usd", "Cost of answers.", backend)
        self._grams = counter("openwafer:co2_grams", "Carbon of answers.", backend)
        self._moved = counter("openwafer:failovers", "Answers that went on elsewhere.", model)
        self.registry.register(self)

    def ended(self, stream: Stream) -> None:
        job = stream.job
        reason = "error" if job.has_failed else "abort" if job.finish == "cancelled" else str(job.finish)
        self._success.labels(job.model, reason).inc()
        self._prompt.labels(job.model).inc(job.prompt_tokens)
        self._queried.labels(job.model).inc(job.prompt_tokens)
        self._hit.labels(job.model).inc(min(job.cached, job.prompt_tokens))
        self._written.labels(job.model).inc(job.generated)
        self._moved.labels(job.model).inc(job.failures)
        self._lengths.labels(job.model).observe(job.generated)
        self._whole.labels(job.model).observe(stream.wall_s)
        if stream.wall_first_s is not None:
            self._first.labels(job.model).observe(stream.wall_first_s)
            if job.generated > 1:
                gap = (stream.wall_s - stream.wall_first_s) / (job.generated - 1)
                self._between.labels(job.model).observe(gap)
        if job.kind not in ("", "upstream"):
            self._count_simulated(stream)

    def _count_simulated(self, stream: Stream) -> None:
        job = stream.job
        labels = (job.model, job.backend, job.tier)
        self._simulated.labels(*labels).observe(job.ended_s - job.arrived_s)
        if not math.isnan(job.first_s):
            self._simulated_first.labels(*labels).observe(job.first_s - job.arrived_s)
        self._joules.labels(*labels).inc(job.joules)
        self._usd.labels(*labels).inc(job.usd)
        self._grams.labels(*labels).inc(job.grams)

    def collect(self) -> list[Metric]:
        """What is true at the moment (Prometheus calls it)."""
        from prometheus_client.core import GaugeMetricFamily

        running = GaugeMetricFamily("vllm:num_requests_running", "Answers under way.", labels=["backend"])
        waiting = GaugeMetricFamily("vllm:num_requests_waiting", "Requests that wait.", labels=["tier"])
        watts = GaugeMetricFamily("openwafer:watts", "IT power now.", labels=["backend"])
        for backend in self._router.backends.values():
            running.add_metric([backend.name], backend.capacity().running)
            watts.add_metric([backend.name], backend.watts())
        for tier, queue in self._router.queues.items():
            waiting.add_metric([tier], len(queue))
        return [running, waiting, watts]

    def text(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
