"""Requests beside what was used, from a Prometheus."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from promql_parser import parse

from support.explained import ask, asked, listed, two_steps
from support.promtool import run, tool

MIB = 2**20


@contextmanager
def prometheus(
    memory: float, cpu: float | None, status: int = 200
) -> Iterator[tuple[str, list[str]]]:
    """Answers with one pod of the run for each query; gives its address and the queries."""
    queries: list[str] = []
    pod = two_steps()[1]["metadata"]["name"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (query,) = parse_qs(urlsplit(self.path).query)["query"]
            queries.append(query)
            value = memory if "memory" in query else cpu
            found = {"metric": {"pod": pod}, "value": [0, str(value)]}
            result = [found] if value is not None else []
            body = json.dumps({"status": "success", "data": {"result": result}}).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", queries
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def requesting() -> list[dict[str, Any]]:
    """Steps of template w that ask for a core and 1 GiB."""
    made, *rest = two_steps()
    asked_for = {"requests": {"cpu": "1", "memory": "1Gi"}}
    made["spec"]["templates"] = [
        {"name": "w", "container": {"image": "a:1", "resources": asked_for}}
    ]
    return [made, *rest]


def test_what_was_used_is_held_against_what_was_asked_for() -> None:
    with prometheus(memory=2048 * MIB, cpu=0.1) as (address, queries):
        found = asked(*requesting(), arguments=("--prometheus", address))["advice"]
    told = {each["rule"]: each["evidence"] for each in found}
    assert told["undersized-requests"] == "w asks for 1.0 GiB and used 2.0 GiB."
    assert told["oversized-requests"] == "w asks for 1 CPU and used 0.1 at most."
    assert len(queries) == 2
    for query in queries:
        parse(query)
        assert re.search(r'namespace="ci",container="main",pod=~"wf\(-\.\*\)\?"', query)


def test_a_pod_too_short_for_a_rate_is_not_said_to_have_used_nothing() -> None:
    with prometheus(memory=600 * MIB, cpu=None) as (address, _):
        found = asked(*requesting(), arguments=("--prometheus", address))["advice"]
    assert not {"oversized-requests", "undersized-requests"} & {each["rule"] for each in found}


def test_names_cant_change_the_query() -> None:
    made, *rest = requesting()
    with prometheus(memory=0, cpu=0) as (address, queries):
        name = 'wf"} or vector(1) #'
        made["metadata"]["name"] = name
        for pod in rest[:2]:
            pod["metadata"]["labels"]["workflows.argoproj.io/workflow"] = name
        asked(made, *rest, arguments=("--prometheus", address))
    assert queries
    for query in queries:
        assert "vector" in query
        assert type(parse(query)).__name__ == "AggregateExpr"


def test_a_real_prometheus_finds_the_peaks_of_main_alone(tmp_path: Path) -> None:
    with prometheus(memory=0, cpu=0) as (address, queries):
        asked(*requesting(), arguments=("--prometheus", address))
    memory, cpu = queries
    pod = two_steps()[1]["metadata"]["name"]

    def series(name: str, container: str, values: str) -> dict[str, str]:
        labels = f'namespace="ci",pod="{pod}",container="{container}"'
        return {"series": f"{name}{{{labels}}}", "values": values}

    used = "container_cpu_usage_seconds_total"
    expected = [(memory, 300), (cpu, 2)]
    document = {
        "tests": [
            {
                "interval": "10s",
                "input_series": [
                    series("container_memory_working_set_bytes", "main", "100 300 200x10"),
                    series("container_memory_working_set_bytes", "wait", "900x12"),
                    # Two cores while it works.
                    series(used, "main", "0+20x12"),
                    series(used, "wait", "0+90x12"),
                ],
                "promql_expr_test": [
                    {
                        "expr": query,
                        "eval_time": "2m",
                        "exp_samples": [{"labels": f'{{pod="{pod}"}}', "value": value}],
                    }
                    for query, value in expected
                ],
            }
        ]
    }
    file = tmp_path / "usage.yaml"
    file.write_text(yaml.safe_dump(document))
    code, said = run(tool("promtool", "prometheus"), "test", "rules", str(file))
    assert code == 0, said


def test_a_prometheus_that_does_not_answer_is_said_and_borne() -> None:
    for address in (
        "http://127.0.0.1:9/",
        "http://127.0.0.1:port",
        "ftp://x",
        "file:///etc/passwd",
    ):
        result = ask("-f", "-", "--prometheus", address, given=listed(*requesting()))
        assert result.exit_code == 0
        assert "gave no answer, requests are not judged" in result.stderr
    with prometheus(0, 0, status=503) as (address, _):
        result = ask("-f", "-", "--prometheus", address, given=listed(*requesting()))
        assert (result.exit_code, "503" in result.stderr) == (0, True)
