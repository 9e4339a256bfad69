"""Runs under the names of OpenTelemetry's CI/CD semantic conventions, with the values of ours."""

import asyncio
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import cicd_attributes
from opentelemetry.semconv._incubating.metrics import cicd_metrics

from argoscope.catalogue import catalogue
from argoscope.export import cicd
from argoscope.export.otlp import OtlpExporter
from argoscope.export.otlp_settings import OtlpSettings, Temporality
from argoscope.export.otlp_transport import Outcome
from argoscope.metrics.registry import Registry
from argoscope.resources.workflow import metrics as m
from support.otlp import data, metrics

KEY = ("ci", "etl")


class Taken:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def send(self, body: bytes) -> Outcome:
        self.bodies.append(body)
        return Outcome()

    async def close(self) -> None: ...


def registry() -> Registry:
    found = Registry(catalogue(), now=lambda: 1000.0)
    for phase, seconds in (("Succeeded", 70.0), ("Succeeded", 3000.0), ("Failed", 5.0)):
        found.observe(m.RUN_DURATION, (*KEY, phase), seconds, exemplar="etl-1")
    found.observe(m.RUN_PENDING, KEY, 4.0)
    found.count(m.FAILURES, (*KEY, "oom"))
    for owner, state in enumerate(("pending", "waiting_lock", "running", "suspended", "running")):
        found.own(f"uid-{owner}", [(m.ACTIVE, (*KEY, state), 1.0)])
    found.publish(hold=False)
    return found


def exported(*, on: bool, temporality: Temporality = Temporality.CUMULATIVE) -> dict[str, Any]:
    async def export() -> list[bytes]:
        taken = Taken()
        settings = OtlpSettings(endpoint="http://c", temporality=temporality)
        exporter = OtlpExporter(
            registry(), settings, resource={}, version="1", carrier=taken, cicd=on
        )
        assert await exporter.export()
        return taken.bodies

    found = metrics(asyncio.run(export()))
    return {name: metric for name, metric in found.items() if name.startswith("cicd.")}


def points(metric: Any) -> dict[tuple[str, ...], Any]:
    found = {}
    for point in data(metric).data_points:
        named = {pair.key: pair.value.string_value for pair in point.attributes}
        assert named.pop("cicd.pipeline.name") == "etl"
        assert named.pop("k8s.namespace.name") == "ci"
        found[tuple(named.values())] = point
    return found


def test_they_are_off_unless_asked_for() -> None:
    assert exported(on=False) == {}


@pytest.mark.parametrize("temporality", list(Temporality))
def test_they_have_the_values_of_ours(temporality: Temporality) -> None:
    found = exported(on=True, temporality=temporality)
    assert found.keys() == {cicd.DURATION, cicd.ERRORS, cicd.ACTIVE_RUNS}
    durations = points(found[cicd.DURATION])
    shown = {at: (point.count, point.sum) for at, point in durations.items()}
    assert {at: value for at, value in shown.items() if value[0]} == {
        ("executing", "success"): (2, 3070.0),
        ("executing", "failure", "_OTHER"): (1, 5.0),
        ("pending",): (1, 4.0),
    }
    success = durations["executing", "success"]
    assert tuple(success.explicit_bounds) == m.RUN_DURATION.buckets
    assert sum(success.bucket_counts) == 2
    errors = {at: point.as_double for at, point in points(found[cicd.ERRORS]).items()}
    assert errors == {("oom",): 1.0}
    active = {at: point.as_double for at, point in points(found[cicd.ACTIVE_RUNS]).items()}
    assert active == {("pending",): 2.0, ("executing",): 3.0}
    for metric in found.values():
        assert data(metric).aggregation_temporality == 2
        assert {p.time_unix_nano for p in data(metric).data_points} == {1000 * 10**9}
    assert data(found[cicd.ERRORS]).is_monotonic
    assert not data(found[cicd.ACTIVE_RUNS]).is_monotonic


def test_names_and_values_are_those_of_the_conventions() -> None:
    found = exported(on=True)
    known = {value for value in vars(cicd_metrics).values() if isinstance(value, str)}
    assert found.keys() <= known
    units = {name: metric.unit for name, metric in found.items()}
    assert units == {cicd.DURATION: "s", cicd.ERRORS: "{error}", cicd.ACTIVE_RUNS: "{run}"}
    results = {member.value for member in cicd_attributes.CicdPipelineResultValues}
    states = {member.value for member in cicd_attributes.CicdPipelineRunStateValues}
    assert set(cicd._RESULTS.values()) <= results
    assert set(cicd._STATES.values()) <= states
