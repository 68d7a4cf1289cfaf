"""Figures for Prometheus, counted anew from the catalog whenever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from tolva.catalog import Counts
from tolva.gateway.services import Service
from tolva.plan import Role
from tolva.states import TaskState

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Service) -> PlainTextResponse:
    """Tell how many jobs and tasks there are of which status, what waits, what was read and lost, what this takes."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry)
    registry.register(_Collected(service.counts()))
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collected(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        jobs = GaugeMetricFamily("tolva_jobs", "Jobs by status.", labels=["status"])
        for status, count in counts.jobs.items():
            jobs.add_metric([status], count)
        tasks = GaugeMetricFamily(
            "tolva_tasks", "Tasks of unfinished jobs by role and state.", labels=["role", "state"]
        )
        for (role, state), count in counts.tasks.items():
            tasks.add_metric([role, state], count)
        depth = GaugeMetricFamily("tolva_queue_depth", "Tasks that are ready and wait for a worker.", labels=["role"])
        for role in Role:
            depth.add_metric([role], counts.tasks.get((role, TaskState.READY), 0))
        attempts = CounterMetricFamily("tolva_attempts", "Attempts by how they ended.", labels=["outcome"])
        for outcome, count in counts.attempts.items():
            attempts.add_metric([outcome], count)
        yield jobs
        yield _seconds(
            "tolva_job_seconds", "From submission to end, by status.", "status", counts.job_seconds, counts.jobs
        )
        yield tasks
        yield depth
        yield attempts
        yield _seconds(
            "tolva_attempt_seconds", "How long attempts took.", "outcome", counts.attempt_seconds, counts.attempts
        )
        lost = counts.attempts.get("lost", 0)
        yield CounterMetricFamily("tolva_lease_losses", "Attempts whose leases ended unrenewed.", value=lost)
        yield CounterMetricFamily("tolva_rejects", "Records and keys that could not be used.", value=counts.rejects)
        yield CounterMetricFamily("tolva_read_bytes", "Input bytes read by committed tasks.", value=counts.bytes_read)
        yield CounterMetricFamily("tolva_read_records", "Input records read by them.", value=counts.records_read)


def _seconds(name: str, what: str, label: str, sums: dict[str, float], counts: dict[str, int]) -> SummaryMetricFamily:
    found = SummaryMetricFamily(name, what, labels=[label])
    for value, total in sums.items():
        found.add_metric([value], count_value=counts[value], sum_value=total)
    return found
