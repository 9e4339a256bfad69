"""Errors in words: which resource, what to do."""

import aiohttp
import pytest

from argoscope.kube.errors import BadAnswerError, ConfigError, api_error
from argoscope.watch.diagnosis import explain, kind_of
from support.api_server import WORKFLOWS, Kind

NODES = Kind("node", "", "v1", "nodes", namespaced=False)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (api_error(401, b""), "unauthorized", "check the service account"),
        (api_error(403, b""), "forbidden", "grant get, list and watch on workflows.argoproj.io"),
        (api_error(404, b""), "not_found", "workflows.argoproj.io/v1alpha1: its CRD is not"),
        (api_error(429, b"wait"), "throttled", "slow down (429) on workflows.argoproj.io: wait"),
        (api_error(503, b"etcd"), "server", "failed on workflows.argoproj.io: 503"),
        (api_error(410, b""), "gone", "410"),
        (ConfigError("no token"), "credentials", "no token"),
        (BadAnswerError("html"), "bad_answer", "html"),
        (TimeoutError(), "timeout", "did not answer in time"),
        (ConnectionResetError(), "network", "can't reach the API server: ConnectionResetError"),
        (aiohttp.ClientError("dns"), "network", "can't reach the API server: dns"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_to_do(error: Exception, kind: str, said: str) -> None:
    assert kind_of(error) == kind
    assert said in explain(error, WORKFLOWS)


def test_a_kind_of_the_core_group_is_named_without_a_dot() -> None:
    assert "watch on nodes to" in explain(api_error(403, b""), NODES)
