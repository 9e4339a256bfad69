"""Everything that kustomize and Helm make, sent to a real API server with ``kubectl apply
--server-side --dry-run=server``: it decodes, defaults, validates and admits, and keeps nothing.

What that server does not serve is checked elsewhere: Kubernetes' newer kinds against its schemas
(tests/deploy), those of the Prometheus Operator in tests/deploy/test_prometheus_operator.py.
"""

import copy
import json
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from support import envtest
from support.deploy_choices import COMBINATIONS, SAME
from support.envtest import EnvTest
from support.kubernetes_tools import tool
from support.manifests import Object, chart, of_kind, overlay

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

NOT_SERVED = {
    ("policy/v1", "PodDisruptionBudget"),  # since 1.21
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
}
"""By the API server of 1.20."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    for server in envtest.running(tmp_path_factory.mktemp("envtest")):
        first = [one for one in overlay("large") if one["kind"] in ("Namespace", "ServiceAccount")]
        done = _kubectl(server, first, "apply", "--server-side")
        assert done.returncode == 0, done.stderr
        yield server


def _kubectl(
    real: EnvTest, objects: Sequence[Object], *command: str
) -> subprocess.CompletedProcess[str]:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return subprocess.run(
        [tool("kubectl"), "--kubeconfig", str(real.kubeconfig), *command, "--filename", "-"],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        timeout=240,
    )


def _dry_run(real: EnvTest, objects: Sequence[Object]) -> subprocess.CompletedProcess[str]:
    return _kubectl(real, objects, "apply", "--server-side", "--dry-run=server")


def _everything() -> list[Object]:
    """Each object of each choice once."""
    made = [one for name, components in COMBINATIONS for one in overlay(name, components)]
    made += [one for values in {values for _, _, values in SAME} for one in chart(values)]
    return list({json.dumps(one, sort_keys=True): one for one in made}.values())


def test_the_api_server_takes_all_that_it_serves(real: EnvTest) -> None:
    everything = _everything()
    kinds = {(one["apiVersion"], one["kind"]) for one in everything}
    assert kinds >= NOT_SERVED
    sent = [one for one in everything if (one["apiVersion"], one["kind"]) not in NOT_SERVED]
    assert len(sent) > 60
    done = _dry_run(real, sent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(server dry run)") == len(sent)


@pytest.mark.parametrize(
    ("kind", "path", "wrong", "says"),
    [
        ("Service", ("spec", "ports", 0, "port"), 70_000, "spec.ports[0].port"),
        ("StatefulSet", ("spec", "serviceName"), 3, "serviceName"),
        ("ClusterRole", ("rules", 0, "verbs"), [], "verbs must contain at least one value"),
        ("NetworkPolicy", ("spec", "policyTypes"), ["Sideways"], "spec.policyTypes[0]"),
        ("StatefulSet", ("spec", "replicsa"), 3, "replicsa"),
    ],
)
def test_the_api_server_would_refuse_what_is_wrong(
    real: EnvTest, kind: str, path: tuple[str | int, ...], wrong: object, says: str
) -> None:
    found = copy.deepcopy(of_kind(overlay("minimal"), kind))
    node = found
    for step in path[:-1]:
        node = node[step]  # type: ignore[index]
    node[path[-1]] = wrong  # type: ignore[index]
    done = _dry_run(real, [found])
    assert done.returncode != 0
    assert says in done.stderr
