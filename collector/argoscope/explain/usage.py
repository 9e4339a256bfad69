"""What containers used, from a Prometheus that has cAdvisor's metrics."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

from argoscope.advice.evidence import Usage
from argoscope.explain.runs import ExplainedRun
from argoscope.inspect.reading import Complain

PATIENCE = 20.0
"""Seconds."""
LARGEST = 32 << 20
"""Bytes of an answer that is read."""
_MEMORY = "max by (pod) (max_over_time(container_memory_working_set_bytes{{{pods}}}[{range}s]))"
_CPU = (
    "max by (pod) (max_over_time("
    "rate(container_cpu_usage_seconds_total{{{pods}}}[2m])[{range}s:30s]))"
)


def usage_of(run: ExplainedRun, address: str, complain: Complain) -> tuple[Usage, ...]:
    """The highest use of each template's main containers; none, and ``complain`` told, if it can't
    be had."""
    templates = {
        pod.name: run.line.nodes[node].template
        for node, pods in run.pods.items()
        if node in run.line.nodes
        for pod in pods
    }
    if not templates:
        return ()
    # JSON's strings are PromQL's too.
    namespace = json.dumps(run.line.namespace)
    names = json.dumps(f"{re.escape(run.line.name)}(-.*)?")
    pods = f'namespace={namespace},container="main",pod=~{names}'
    span = max(60, round(run.path.total_ms / 1000) + 60)
    try:
        memory, cpu = (
            _ask(address, query.format(pods=pods, range=span), run.line.finished + 60)
            for query in (_MEMORY, _CPU)
        )
    except (OSError, ValueError, HTTPException) as error:
        complain(address, "Prometheus", f"gave no answer, requests are not judged: {error}")
        return ()
    by_pod = {"cpu": cpu, "memory": memory}
    found: dict[str, dict[str, float]] = {}
    for pod, template in templates.items():
        for resource, known in by_pod.items():
            if pod in known:
                peaks = found.setdefault(template, {})
                peaks[resource] = max(peaks.get(resource, 0.0), known[pod])
    if not found:
        complain(address, "Prometheus", "knows nothing of this run's pods: has it cAdvisor's?")
    return tuple(
        Usage(template, peaks.get("cpu"), peaks.get("memory"))
        for template, peaks in sorted(found.items())
    )


def _ask(address: str, query: str, at: float) -> dict[str, float]:
    """Pod -> value. Raises OSError, ValueError and HTTPException."""
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("the address must begin with http:// or https://")
    given = urllib.parse.urlencode({"query": query, "time": f"{at:.3f}"})
    url = f"{address.rstrip('/')}/api/v1/query?{given}"
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:  # noqa: S310 - checked above
        answer: Any = json.loads(response.read(LARGEST))
    try:
        return {
            str(each["metric"]["pod"]): float(each["value"][1]) for each in answer["data"]["result"]
        }
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError("not an answer of Prometheus") from error
