"""The scrape: both formats, plain and gzip, say the same, and real readers accept it."""

import asyncio
import gzip
import shutil
import subprocess
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.export.prometheus import Exposition, gzip_accepted
from argoscope.metrics.internal import INTERNAL
from argoscope.metrics.model import Combine, Instrument, Metric
from argoscope.metrics.registry import Registry
from support.scrape import (
    ACTIVE,
    DURATION,
    LARGEST,
    METRICS,
    NAMESPACE,
    OLDEST,
    OPENMETRICS,
    RUNS,
    SMALLEST,
    every_metric,
    key,
    parse,
    scrape,
    values,
)

BROWSER = "gzip, deflate, br"
FORMATS = pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])


def filled() -> Registry:
    registry = Registry(METRICS, now=lambda: 1_700_000_000.0)
    for number in range(300):
        registry.observe(DURATION, (f"p{number}",), number * 1.25, exemplar=f"run-{number}")
        registry.own(f"uid-{number}", [(LARGEST, (f"p{number}",), 2.0**number)])
    registry.count(RUNS, ("team", "etl", "Failed"), exemplar="etl-1")
    registry.declare(RUNS, ("team", "etl", "Succeeded"))
    registry.own("a", [(ACTIVE, ("etl",), 1.0), (SMALLEST, (), 0.25), (OLDEST, ("etl",), 5.0)])
    registry.publish()
    return registry


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain; version=1.0.0"),
    ],
)
def test_the_format_is_negotiated(accept: str, content_type: str) -> None:
    body, headers = Exposition(filled()).render(accept, "")
    assert headers["Content-Type"].startswith(content_type)
    assert "Content-Encoding" not in headers
    assert body.endswith(b"# EOF\n") is ("openmetrics" in content_type)


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        (BROWSER, True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0.1, identity", True),
        ("gzip; q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=high", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_those_who_accept_it(accept_encoding: str, accepted: bool) -> None:
    assert gzip_accepted(accept_encoding) is accepted
    body, headers = Exposition(filled(), process=False).render("", accept_encoding)
    assert headers.get("Content-Encoding") == ("gzip" if accepted else None)
    assert body.startswith(b"\x1f\x8b") is accepted


@FORMATS
def test_gzip_is_one_member_with_the_plain_text_and_its_checksum(accept: str) -> None:
    registry = filled()
    exposition = Exposition(registry, process=False)
    for change in range(3):
        packed, _ = exposition.render(accept, "gzip")
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = stream.decompress(packed)
        assert stream.eof
        assert not stream.unused_data
        assert text == exposition.render(accept, "")[0] == gzip.decompress(packed)
        registry.observe(DURATION, ("p7",), float(change), exemplar="later")
        registry.own("uid-9", [])
        registry.publish()


@pytest.mark.looptime
async def test_compressing_in_slices_gives_the_same_body() -> None:
    registry = filled()
    for accept in ("", OPENMETRICS):
        packed, headers = await Exposition(registry, process=False).respond(accept, "gzip")
        assert gzip.decompress(packed) == Exposition(registry, process=False).render(accept, "")[0]
        assert headers["Content-Encoding"] == "gzip"
    plain, headers = await Exposition(registry, process=False).respond("", "")
    assert plain == Exposition(registry, process=False).render("", "")[0]


@pytest.mark.looptime
async def test_compressing_gives_way_to_other_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argoscope.export.prometheus._SLICE", 0.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other(), name="other")
    await Exposition(filled(), process=False).respond("", "gzip")
    task.cancel()
    assert turns > 40


@FORMATS
def test_a_reader_gets_the_values_of_the_registry(accept: str) -> None:
    seen = scrape(Exposition(filled(), process=False), accept)
    assert seen[key("argo_test_object_bytes", pipeline="p60")] == 2.0**60
    assert seen[key("argo_test_run_duration_seconds_sum", pipeline="p3")] == 3.75
    assert seen[key("argo_test_runs_total", namespace="team", pipeline="etl", phase="Failed")] == 1
    assert seen[key("argo_test_smallest_ratio")] == 0.25
    assert seen[key("argo_test_suspended_oldest_seconds", pipeline="etl")] == 1_699_999_995.0
    assert not [name for name, _ in seen if name.endswith("_created")]


def test_both_formats_have_the_same_series_and_values() -> None:
    exposition = Exposition(filled(), process=False)
    assert scrape(exposition) == scrape(exposition, OPENMETRICS)


def test_families_say_type_help_and_unit() -> None:
    body, headers = Exposition(filled()).render(OPENMETRICS, "")
    families = {family.name: family for family in parse(body, headers["Content-Type"])}
    assert families["argo_test_runs"].type == "counter"
    assert families["argo_test_runs"].documentation == RUNS.help
    assert families["argo_test_run_duration_seconds"].type == "histogram"
    assert families["argo_test_run_duration_seconds"].unit == "seconds"
    assert families["argo_test_object_bytes"].unit == "bytes"
    assert "process_resident_memory_bytes" in families
    assert "python_gc_objects_collected" in families


def test_a_metric_without_series_is_not_exposed() -> None:
    registry = Registry(METRICS)
    registry.publish()
    assert Exposition(registry, process=False).render("", "")[0] == b""


def test_a_name_that_the_process_metrics_have_is_refused() -> None:
    taken = Metric(
        name="process.resident_memory",
        instrument=Instrument.GAUGE,
        unit="By",
        labels=(),
        help="Taken",
    )
    with pytest.raises(ValueError, match="are taken: process_resident_memory_bytes"):
        Exposition(Registry([taken]))
    Exposition(Registry([taken]), process=False)


def test_no_name_of_the_process_metrics_is_in_the_catalogue() -> None:
    from argoscope.catalogue import catalogue

    Exposition(Registry(catalogue()))


@pytest.mark.parametrize("make", [filled, lambda: every_metric(3)], ids=["small", "catalogue"])
def test_promtool_accepts_the_scrape(make: Callable[[], Registry]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    body, _ = Exposition(make()).render("", "")
    result = subprocess.run(
        [promtool, "check", "metrics"], input=body, capture_output=True, check=False
    )
    complaints = (result.stdout + result.stderr).decode().splitlines()
    # A family that prometheus_client itself makes.
    assert [line for line in complaints if not line.startswith("python_gc_")] == []


_LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_WILD = Metric(
    name="argo.test.wild",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(NAMESPACE,),
    help="Anything",
    combine=Combine.MAX,
)


@given(st.dictionaries(_LABEL, st.floats(allow_nan=False), max_size=8))
def test_any_label_and_any_number_is_read_back(series: dict[str, float]) -> None:
    registry = Registry([_WILD])
    for label, value in series.items():
        registry.own(f"uid-{label}", [(_WILD, (label,), value)])
    registry.publish()
    exposition = Exposition(registry, process=False)
    expected = {key("argo_test_wild", namespace=label): value for label, value in series.items()}
    for accept in ("", OPENMETRICS):
        body, headers = exposition.render(accept, "")
        families = parse(body, headers["Content-Type"])
        wild = [family for family in families if family.name == "argo_test_wild"]
        assert values(wild) == expected


# Kubernetes names have none of these, and the parser does not get over an odd quote.
_WORKFLOW = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\{}'))


@given(_LABEL, st.floats(min_value=0, allow_infinity=False), _WORKFLOW)
def test_any_exemplar_leaves_the_sample_readable(label: str, value: float, workflow: str) -> None:
    registry = Registry(METRICS, now=lambda: 1_700_000_000.5)
    registry.count(RUNS, (label, "etl", "Failed"), value, exemplar=workflow)
    registry.observe(DURATION, (label,), value, exemplar=workflow)
    registry.publish()
    exposition = Exposition(registry, process=False)
    assert scrape(exposition, OPENMETRICS) == scrape(exposition)


_PIPELINES = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
_WORK = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["count", "observe", "own", "withdraw"]), _PIPELINES),
        st.tuples(st.just("scrape"), st.sampled_from([("", ""), ("", "gzip"), (OPENMETRICS, "")])),
    ),
    min_size=5,
    max_size=60,
)


@given(_WORK)
@settings(deadline=None)
def test_what_is_kept_from_scrape_to_scrape_is_never_stale(work: list[tuple[str, Any]]) -> None:
    scraped, untouched = (Registry(METRICS, now=lambda: 1_700_000_000.5) for _ in range(2))
    exposition = Exposition(scraped, process=False)
    for number, (what, with_what) in enumerate(work):
        if what == "scrape":
            exposition.render(*with_what)
        for registry in (scraped, untouched):
            _change(registry, what, with_what, number)
    fresh = Exposition(untouched, process=False)
    for accept in ("", OPENMETRICS):
        plain, _ = exposition.render(accept, "")
        assert plain == fresh.render(accept, "")[0]
        assert gzip.decompress(exposition.render(accept, "gzip")[0]) == plain


def _change(registry: Registry, what: str, pipeline: str, number: int) -> None:
    exemplar = f"run-{number}" if number % 2 else ""
    if what == "count":
        registry.count(RUNS, ("team", pipeline, "Failed"), exemplar=exemplar)
    elif what == "observe":
        registry.observe(DURATION, (pipeline,), float(number), exemplar=exemplar)
    elif what == "own":
        registry.own(pipeline, [(ACTIVE, (pipeline,), float(number))])
    elif what == "withdraw":
        registry.own(pipeline, [])
    if number % 3 == 0:
        registry.publish()


def test_a_lone_surrogate_does_not_break_the_scrape() -> None:
    registry = Registry([_WILD])
    registry.own("uid", [(_WILD, ("\ud800",), 1.0)])
    registry.publish()
    assert scrape(Exposition(registry, process=False))[key("argo_test_wild", namespace="?")] == 1.0


def test_every_registry_has_the_metrics_of_the_daemon_itself() -> None:
    assert set(INTERNAL) <= set(Registry([]).metrics.values())
