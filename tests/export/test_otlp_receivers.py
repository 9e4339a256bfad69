"""Real receivers get every series of the scrape, with its value, under the same name."""

import asyncio
from pathlib import Path

import pytest

from argoscope.export.otlp import OtlpExporter
from argoscope.export.otlp_settings import Compression, OtlpSettings, Protocol
from argoscope.export.process import process_registry
from argoscope.export.prometheus import Exposition
from argoscope.metrics.registry import Registry
from support.receivers import VictoriaMetrics, rotel, victoria_metrics
from support.scrape import OPENMETRICS, Key, every_metric, scrape

RESOURCE = {"service.name": "argoscope", "k8s.cluster.name": "here"}


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
    registry = every_metric(1)
    with victoria_metrics(tmp_path) as receiver:
        settings = OtlpSettings(endpoint=receiver.endpoint, compression=compression)
        assert asyncio.run(_export(registry, settings))
        _assert_all_arrived(registry, receiver)


def test_a_grpc_receiver_gets_every_series(tmp_path: Path) -> None:
    registry = every_metric(2)
    with victoria_metrics(tmp_path) as behind, rotel(tmp_path, behind) as endpoint:
        settings = OtlpSettings(endpoint=endpoint, protocol=Protocol.GRPC)
        assert asyncio.run(_export(registry, settings))
        _assert_all_arrived(registry, behind)
