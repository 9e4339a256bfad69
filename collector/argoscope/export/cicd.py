"""OpenTelemetry's CI/CD metrics, made of the series that are there anyway, for OTLP only.

Source: OpenTelemetry semantic conventions 1.44.0, "CI/CD metrics" (in development there). They are
cumulative whatever temporality is preferred, as the process metrics are.
"""

from collections.abc import Iterable, Iterator
from struct import Struct, pack

from argoscope.export.otlp_wire import (
    POINT,
    START,
    TIME,
    Heading,
    heading,
    key_value,
    message,
    nanoseconds,
    number_point,
    text,
    varint,
)
from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import Buckets, Series
from argoscope.resources.workflow.metrics import ACTIVE, FAILURES, RUN_DURATION, RUN_PENDING

_RESULTS = {"Succeeded": "success", "Failed": "failure", "Error": "error"}
_STATES = {
    "pending": "pending",
    "waiting_lock": "pending",
    "running": "executing",
    "suspended": "executing",
}
_OTHER = "_OTHER"
"""error.type where it is not known: durations are not kept by cause."""

DURATION = "cicd.pipeline.run.duration"
ERRORS = "cicd.pipeline.run.errors"
ACTIVE_RUNS = "cicd.pipeline.run.active"

_ACTIVE = Heading(
    text(1, ACTIVE_RUNS)
    + text(2, "The number of pipeline runs currently active in the system by state.")
    + text(3, "{run}"),
    7,  # a Sum that is not monotonic: an UpDownCounter
    b"\x10\x02",
)
_SUM_ATTRIBUTES, _HISTOGRAM_ATTRIBUTES = 7, 9


def cicd_points(registry: Registry) -> Iterator[tuple[Heading, list[bytes]]]:
    """What is published, under the names of the conventions, as OTLP points up to their times."""
    about = "Duration of a pipeline run grouped by pipeline, state and result."
    durations = heading(DURATION, about, "s", Instrument.HISTOGRAM, delta=False)
    yield durations, [*_durations(registry), *_waits(registry)]
    about = "The number of errors encountered in pipeline runs (eg. compile, test failures)."
    errors = heading(ERRORS, about, "{error}", Instrument.COUNTER, delta=False)
    yield errors, list(_errors(registry))
    yield _ACTIVE, list(_active(registry))


def _series(registry: Registry, metric: Metric) -> Iterable[Series]:
    return next(family.series.values() for family in registry.families if family.metric is metric)


def _attributes(field: int, namespace: str, pipeline: str, **more: str) -> bytes:
    pairs = {"cicd.pipeline.name": pipeline, "k8s.namespace.name": namespace}
    pairs |= {name.replace("_", "."): value for name, value in more.items() if value}
    return b"".join(key_value(field, name, value) for name, value in pairs.items())


def _durations(registry: Registry) -> Iterator[bytes]:
    for series in _series(registry, RUN_DURATION):
        namespace, pipeline, phase = series.labels
        attributes = _attributes(
            _HISTOGRAM_ATTRIBUTES,
            namespace,
            pipeline,
            cicd_pipeline_run_state="executing",
            cicd_pipeline_result=_RESULTS.get(phase, ""),
            error_type="" if phase == "Succeeded" else _OTHER,
        )
        yield from _distribution(series, RUN_DURATION, attributes)


def _waits(registry: Registry) -> Iterator[bytes]:
    for series in _series(registry, RUN_PENDING):
        namespace, pipeline = series.labels
        attributes = _attributes(
            _HISTOGRAM_ATTRIBUTES, namespace, pipeline, cicd_pipeline_run_state="pending"
        )
        yield from _distribution(series, RUN_PENDING, attributes)


def _distribution(series: Series, metric: Metric, attributes: bytes) -> Iterator[bytes]:
    published: Buckets | None = series.published  # type: ignore[attr-defined]
    if published is None:
        return
    counts, total, _ = published
    bounds = metric.buckets
    body = b"".join(
        (
            attributes,
            pack("<BQBQBd", START, nanoseconds(series.start), 0x21, sum(counts), 0x29, total),
            message(6, Struct(f"<{len(counts)}Q").pack(*counts)),
            message(7, pack(f"<{len(bounds)}d", *bounds)),
        )
    )
    yield POINT + varint(len(body) + 9) + body + bytes((TIME,))


def _errors(registry: Registry) -> Iterator[bytes]:
    for series in _series(registry, FAILURES):
        namespace, pipeline, cause = series.labels
        value: float | None = series.published  # type: ignore[attr-defined]
        if value is not None:
            attributes = _attributes(_SUM_ATTRIBUTES, namespace, pipeline, error_type=cause)
            yield number_point(attributes, value, nanoseconds(series.start))


def _active(registry: Registry) -> Iterator[bytes]:
    runs: dict[tuple[str, str, str], float] = {}
    start = registry.now()
    for series in _series(registry, ACTIVE):
        namespace, pipeline, state = series.labels
        value: float | None = series.published  # type: ignore[attr-defined]
        if value is not None:
            key = (namespace, pipeline, _STATES.get(state, "executing"))
            runs[key] = runs.get(key, 0.0) + value
            start = min(start, series.start)
    for (namespace, pipeline, state), value in runs.items():
        attributes = _attributes(
            _SUM_ATTRIBUTES, namespace, pipeline, cicd_pipeline_run_state=state
        )
        yield number_point(attributes, value, nanoseconds(start))
