"""Metrics of this process, as prometheus_client collects them, for the scrape and for OTLP.

Over OTLP they keep their Prometheus names, and their counters are cumulative whatever temporality
is preferred: they are read from the kernel as totals.
"""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from argoscope.export.otlp_wire import Heading, heading, key_value, nanoseconds, number_point

_STARTED = nanoseconds(time.time())  # of this import: what counted from process start began before


def process_registry() -> CollectorRegistry:
    """A registry of its own: prometheus_client's global one stays unused."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def process_points(registry: CollectorRegistry) -> Iterator[tuple[Heading, list[bytes]]]:
    """The same as OTLP points."""
    for family in registry.collect():
        start = _STARTED if family.type == "counter" else 0
        # The unit is already in the name; given again, a receiver would append it again.
        yield (
            heading(family.name, family.documentation, "", family.type, delta=False),
            [
                number_point(
                    b"".join(key_value(7, name, text) for name, text in sample.labels.items()),
                    sample.value,
                    start,
                )
                for sample in family.samples
                if not sample.name.endswith("_created")
            ],
        )
