"""Real receivers get every series of the scrape, with its value, under the same name."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from argoscope.catalogue import catalogue
from argoscope.export.otlp import OtlpExporter
from argoscope.export.otlp_settings import Compression, OtlpSettings, Protocol
from argoscope.export.process import process_registry
from argoscope.export.prometheus import Exposition
from argoscope.metrics.model import Instrument
from argoscope.metrics.registry import Registry
from support.receivers import VictoriaMetrics, rotel, victoria_metrics
from support.scrape import METRICS, OPENMETRICS, Key, scrape

RESOURCE = {"service.name": "argoscope", "k8s.cluster.name": "here"}


def filled(seed: int) -> Registry:
    """Every metric of the catalogue with a few series of seeded values."""
    chance = random.Random(seed)
    now = time.time()
    registry = Registry([*catalogue(), *METRICS], now=lambda: now)
    for metric in registry.metrics.values():
        for number in range(3):
            labels = tuple(f'{label.name} "{number}"' for label in metric.labels)
            value = chance.choice([0.0, 1.0, chance.random(), chance.randrange(2**40)])
            if metric.instrument is Instrument.COUNTER:
                registry.count(metric, labels, value, exemplar=f"run-{number}")
            elif metric.instrument is Instrument.HISTOGRAM:
                for _ in range(chance.randrange(20)):
                    sample = chance.choice(metric.buckets) * chance.random() * 2
                    registry.observe(metric, labels, sample, exemplar=f"run-{number}")
            else:
                value = now - 3600.0 if metric.age else value
                registry.own(f"{metric.name}/{number}", [(metric, labels, value)])
    registry.publish()
    return registry


async def _export(registry: Registry, settings: OtlpSettings) -> bool:
    exporter = OtlpExporter(
        registry, settings, resource=RESOURCE, version="1", process=process_registry()
    )
    registry.publish()
    return await exporter.flush(30.0)


def _comparable(at: Key) -> Key:
    name, labels = at
    plain = {
        (label, f"{float(value)}" if label == "le" else value)
        for label, value in labels
        if label not in {"service.name", "service_name", "k8s.cluster.name", "k8s_cluster_name"}
    }
    return name, frozenset(plain)


def _assert_all_arrived(registry: Registry, receiver: VictoriaMetrics) -> None:
    expected = {
        _comparable(at): value for at, value in scrape(Exposition(registry), OPENMETRICS).items()
    }
    arrived = asyncio.run(receiver.series_after(len(expected)))
    assert all("here" in dict(labels).values() for _, labels in arrived)
    found = {_comparable(at): value for at, value in arrived.items()}
    assert sorted(expected.keys() - found.keys()) == []
    moving = ("process_", "python_")  # read anew by each export and scrape
    different = {
        at: (value, found[at])
        for at, value in expected.items()
        if not at[0].startswith(moving) and found[at] != pytest.approx(value, rel=1e-12)
    }
    assert different == {}
    assert len(expected) > 500


@pytest.mark.parametrize("compression", list(Compression))
def test_victoria_metrics_gets_every_series_over_http(
    tmp_path: Path, compression: Compression
) -> None:
    registry = filled(1)
    with victoria_metrics(tmp_path) as receiver:
        settings = OtlpSettings(endpoint=receiver.endpoint, compression=compression)
        assert asyncio.run(_export(registry, settings))
        _assert_all_arrived(registry, receiver)


def test_a_grpc_receiver_gets_every_series(tmp_path: Path) -> None:
    registry = filled(2)
    with victoria_metrics(tmp_path) as behind, rotel(tmp_path, behind) as endpoint:
        settings = OtlpSettings(endpoint=endpoint, protocol=Protocol.GRPC)
        assert asyncio.run(_export(registry, settings))
        _assert_all_arrived(registry, behind)
