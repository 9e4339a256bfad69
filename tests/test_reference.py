"""The generated docs are those that lie in docs/, and say everything."""

import json
from pathlib import Path

import pytest

from argoscope import reference, settings
from argoscope.catalogue import catalogue
from argoscope.metrics.model import Instrument, Metric
from argoscope.resources._reasons import ADVICE

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["metrics.md", "configuration.md", "advice.md"])
def test_docs_equal_what_is_generated(name: str, tmp_path: Path) -> None:
    reference.write(tmp_path)
    assert (DOCS / name).read_text() == (tmp_path / name).read_text(), "run make generate"


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.prometheus)
def test_every_metric_answers_a_question_and_is_documented(metric: Metric) -> None:
    text = reference.metrics_markdown()
    assert reference.question(metric).endswith("?")
    assert f"### `{metric.prometheus}`\n\n{metric.help}." in text


def test_a_metric_that_answers_nothing_is_a_bug() -> None:
    odd = Metric(name="odd.thing", instrument=Instrument.GAUGE, unit="", labels=(), help="Odd")
    with pytest.raises(LookupError, match=r"odd\.thing"):
        reference.question(odd)


def test_every_reason_is_listed_with_what_to_do() -> None:
    text = reference.metrics_markdown()
    for reason, advice in ADVICE.items():
        assert f"| `{reason}` | {advice} |" in text


def test_every_setting_is_documented_with_its_variable_and_flag() -> None:
    text = reference.configuration_markdown()
    for path, leaf in settings.leaves().items():
        assert f"### `{path}`" in text
        assert f"`{leaf.env}`" in text
    for flag in settings.FLAGS.values():
        assert f"flag `{flag}`" in text


def test_json_is_the_whole_catalogue() -> None:
    described = json.loads(reference.metrics_json())
    assert {item["prometheus"] for item in described} == {m.prometheus for m in catalogue()}
    runs = next(item for item in described if item["name"] == "argo.workflow.runs")
    assert runs["type"] == "counter"
    assert [label["name"] for label in runs["labels"]] == ["namespace", "pipeline", "phase"]
    assert runs["labels"][2]["values"] == ["Succeeded", "Failed", "Error"]
    assert runs["resource"] == "Workflow"
