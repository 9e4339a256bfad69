"""OTLP requests read back with the official protobuf classes."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeAlias

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from argoscope.export.otlp_encode import Encoder, Request
from argoscope.metrics.registry import Registry

ExportRequest = metrics_service_pb2.ExportMetricsServiceRequest
Point: TypeAlias = Any
At = tuple[str, tuple[str, ...]]


def encode(encoder: Encoder, registry: Registry) -> list[Request]:
    """All requests of one export."""

    async def collect() -> list[Request]:
        return [request async for request in encoder.requests(registry)]

    return asyncio.run(collect())


def metrics(bodies: Iterable[bytes]) -> dict[str, Any]:
    """Metric messages by name; one that is spread over requests is merged."""
    found: dict[str, Any] = {}
    for body in bodies:
        for resource in ExportRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name in found:
                        found[metric.name].MergeFrom(metric)
                    else:
                        found[metric.name] = metric
    return found


def data(metric: Any) -> Any:
    """The Gauge, Sum or Histogram of a Metric message."""
    return getattr(metric, metric.WhichOneof("data"))


def points(bodies: Iterable[bytes]) -> dict[At, Point]:
    """Data point by metric name and attribute values, in the order they were sent."""
    return {
        (name, tuple(pair.value.string_value for pair in point.attributes)): point
        for name, metric in metrics(bodies).items()
        for point in data(metric).data_points
    }
