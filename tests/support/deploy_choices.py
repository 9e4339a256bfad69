"""What a user can choose of deploy/: overlays with components, and the chart's values that mean
the same."""

from support.manifests import COMPONENTS, OVERLAYS

COMBINATIONS: list[tuple[str, tuple[str, ...]]] = [
    *((name, ()) for name in OVERLAYS),
    *(("minimal", (path.name,)) for path in sorted(COMPONENTS.iterdir())),
    ("large", ("authentication",)),
    ("prometheus-operator", ("authentication", "no-volume")),
    ("minimal", ("namespaced", "no-volume", "otlp", "otel-gateway")),
    ("minimal", ("no-volume", "sharded")),
]

LARGE = (
    "shards=3,otlp.enabled=true,gateway.enabled=true,monitor.kind=service,"
    "prometheusRule.enabled=true,dashboards.enabled=true,authentication.enabled=true,"
    "resources.requests.cpu=250m,resources.requests.memory=512Mi,resources.limits.memory=2Gi"
)
SAME: list[tuple[str, tuple[str, ...], str]] = [
    ("minimal", (), ""),
    ("minimal", ("no-volume",), "ledger.enabled=false"),
    ("minimal", ("namespaced",), "namespaced.enabled=true"),
    ("minimal", ("sharded",), "shards=3"),
    ("minimal", ("no-volume", "sharded"), "ledger.enabled=false,shards=3"),
    ("minimal", ("otlp",), "otlp.enabled=true"),
    ("minimal", ("otlp", "otel-gateway"), "otlp.enabled=true,gateway.enabled=true"),
    ("minimal", ("pod-monitor",), "monitor.kind=pod"),
    ("minimal", ("authentication",), "authentication.enabled=true"),
    (
        "minimal",
        ("pod-monitor", "authentication"),
        "monitor.kind=pod,authentication.enabled=true",
    ),
    (
        "prometheus-operator",
        (),
        "monitor.kind=service,prometheusRule.enabled=true,dashboards.enabled=true",
    ),
    ("otlp-only", (), "otlp.enabled=true,networkPolicy.prometheus=false"),
    (
        "large",
        ("authentication",),
        LARGE,
    ),
]
"""Overlay and components, and the chart's values that mean the same."""
