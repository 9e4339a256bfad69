"""A small catalogue for tests of the registry and the exporters, and scrapes read back."""

import random
import time
from collections.abc import Iterable

from prometheus_client import Metric as ParsedFamily
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from argoscope.catalogue import catalogue
from argoscope.export.prometheus import Exposition
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.metrics.registry import Registry

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Key = tuple[str, frozenset[tuple[str, str]]]

NAMESPACE = Label(name="namespace", help="Namespace", open=True)
PIPELINE = Label(name="pipeline", help="Pipeline", open=True)
PHASE = Label(name="phase", help="Phase", values=("Succeeded", "Failed"))

RUNS = Metric(
    name="argo.test.runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE, PHASE),
    help='Runs, with a "quoted" word and a back\\slash',
    budget=4,
)
DURATION = Metric(
    name="argo.test.run.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(PIPELINE,),
    help="Duration of runs",
    buckets=(0.5, 1.0, 60.0, 86_400.0, 2_592_000.0),
)
ACTIVE = Metric(
    name="argo.test.active",
    instrument=Instrument.GAUGE,
    unit="{run}",
    labels=(PIPELINE,),
    help="Live runs",
    budget=3,
)
LARGEST = Metric(
    name="argo.test.object",
    instrument=Instrument.GAUGE,
    unit="By",
    labels=(PIPELINE,),
    help="Largest live object",
    combine=Combine.MAX,
)
SMALLEST = Metric(
    name="argo.test.smallest",
    instrument=Instrument.GAUGE,
    unit="1",
    labels=(),
    help="Smallest share",
    combine=Combine.MIN,
)
OLDEST = Metric(
    name="argo.test.suspended_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(PIPELINE,),
    help="Time since the oldest suspension",
    combine=Combine.MIN,
    age=True,
)
METRICS = (RUNS, DURATION, ACTIVE, LARGEST, SMALLEST, OLDEST)


def parse(body: bytes, content_type: str) -> list[ParsedFamily]:
    """The families of a scrape, by prometheus_client's parser for its format."""
    openmetrics = content_type.startswith("application/openmetrics-text")
    reader = parse_openmetrics if openmetrics else parse_text
    return list(reader(body.decode()))


def values(families: Iterable[ParsedFamily]) -> dict[Key, float]:
    """Value by sample name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in families
        for sample in family.samples
    }


def scrape(exposition: Exposition, accept: str = "") -> dict[Key, float]:
    body, headers = exposition.render(accept, "")
    return values(parse(body, headers["Content-Type"]))


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def every_metric(seed: int) -> Registry:
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
