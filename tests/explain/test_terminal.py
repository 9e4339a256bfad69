"""What a terminal gets: narrow ones, such as know no UTF-8, and names that would steer it."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from argoscope.explain.asking import Question, explain
from argoscope.explain.objects import Collector
from argoscope.explain.terminal import render
from argoscope.inspect.reading import Item
from support.explained import ask, listed, two_steps


def test_names_cant_steer_the_terminal() -> None:
    made, *rest = two_steps()
    for each in made["status"]["nodes"].values():
        each["name"] = each["name"].replace(".a", ".\x1b[2J[bold]\x07a")
    told = ask("-f", "-", given=listed(made, *rest)).stdout
    assert "\x1b" not in told
    assert "\x07" not in told
    assert "[bold]" in told


def test_a_narrow_terminal_cuts_no_number() -> None:
    runs = [made for n in range(3) for made in two_steps(f"wf-{n}", pull=70 * n, shift=500 * n)]
    objects = Collector(lambda *_: None)
    for made in runs:
        objects.add(Item("ADDED", made["kind"], json.dumps(made).encode(), ""))
    question = Question(namespace="ci", name="wf-2")
    (found,) = explain(objects.objects, question, lambda *_: (), 0.0, lambda *_: None)
    out = StringIO()
    render([found.answer], Console(file=out, width=40))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    (pulls,) = (line for line in lines if "image pulls" in line and line.startswith("\u2593"))
    assert " ".join(pulls.split()) == "\u2593 image pulls 2 min 20 s +1 min 45 s"
    assert sum("\u2593" in line for line in lines) >= 2  # the bar has room too


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_terminals_that_know_only_ascii_get_an_answer(form: str, tmp_path: Path) -> None:
    objects = tmp_path / "objects.json"
    objects.write_text(listed(*two_steps("wf-\u540d\u524d")), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "argoscope", "explain", "-f", str(objects), "--format", form],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stderr) == (0, b"")
    if form == "text":
        assert b"40 of 62 seconds were image pulls" in told.stdout
    else:
        assert "wf-\u540d\u524d" in told.stdout.decode()
