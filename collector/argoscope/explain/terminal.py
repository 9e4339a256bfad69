"""The answer in a terminal."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from argoscope.advice.words import counted, span
from argoscope.explain.answer import Advice, Answer, PathPart, state
from argoscope.explain.causes import TOLD

MOST_ROWS = 24
"""Steps that the waterfall shows: those with most time, in their order."""
WORTH_TELLING = 0.02
"""Share of the time that a change must have to be named."""
_NAME = 34
_WIDE = 70
"""Columns from which on there is room to say what the causes are."""


def render(answers: list[Answer], console: Console) -> None:
    """The runs: of several a table, and the slowest of them as if it alone had been asked for."""
    if len(answers) > 1:
        overview(answers, console)
    _one(max(answers, key=lambda each: each.total_seconds), console)


def overview(answers: list[Answer], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("run")
    table.add_column("phase")
    table.add_column("took", justify="right")
    table.add_column("main part of it, but for work")
    for each in answers:
        overhead = [cause for cause in each.causes if cause != "main"]
        told = ""
        if overhead:
            seconds = each.causes[overhead[0]]
            told = f"{TOLD[overhead[0]].label} {span(seconds)}, {seconds / each.total_seconds:.0%}"
        name = Text(plain(f"{each.namespace}/{each.workflow}"))
        table.add_row(name, Text(plain(state(each))), span(each.total_seconds), told)
    console.print(table)
    console.print()
    console.print(Text(plain(summary(answers)), style="bold"))
    console.print(Text("The slowest:", style="dim"))
    console.print()


def summary(answers: list[Answer]) -> str:
    """Where the time of several runs went, in one sentence."""
    total = sum(each.total_seconds for each in answers)
    causes: Counter[str] = Counter()
    for each in answers:
        causes.update(each.causes)
    shares = [f"{TOLD[c].label} {s / total:.0%}" for c, s in causes.most_common(4)] if total else []
    mean = span(total / len(answers))
    return f"{counted(len(answers), 'run')}, {mean} on average: {', '.join(shares)}."


def _one(answer: Answer, console: Console) -> None:
    _head(answer, console)
    _waterfall(answer, console)
    _causes(answer, console)
    _usual(answer, console)
    _advice(answer.advice, console)
    for note in answer.notes:
        console.print()
        console.print(Text(f"Note: {plain(note)}", style="dim"))


def plain(text: str) -> str:
    """Names come from users: nothing of them may steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _head(answer: Answer, console: Console) -> None:
    console.print(Text(plain(answer.sentence), style="bold"))
    why = f" ({answer.cause})" if answer.cause else ""
    told = (
        f"{answer.namespace}/{answer.workflow}, pipeline {answer.pipeline}: {state(answer)}{why}, "
        f"{span(answer.total_seconds)}, {answer.began} to {answer.ended}"
    )
    console.print(Text(plain(told), style="dim"))


class _Row(NamedTuple):
    name: str
    seconds: float
    parts: list[PathPart]


def _rows(path: list[PathPart]) -> Iterator[_Row]:
    """Neighbours of one step are a row."""
    together: list[PathPart] = []
    for part in [*path, None]:
        if together and (part is None or part.node != together[-1].node):
            seconds = sum(p.seconds for p in together)
            first = together[0].start_seconds == 0
            name = "(before the first step)" if first else "(after the last step)"
            yield _Row(together[-1].step or name, seconds, together)
            together = []
        if part is not None:
            together.append(part)


def _waterfall(answer: Answer, console: Console) -> None:
    total = answer.total_seconds
    rows = list(_rows(answer.path))
    if not rows or not total:
        return
    shown = sorted(range(len(rows)), key=lambda place: -rows[place].seconds)[:MOST_ROWS]
    name = min(_NAME, max(10, console.width - 46))
    width = max(10, min(console.width, 140) - name - 16)
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(max_width=name, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    hidden: list[_Row] = []
    for place, row in enumerate(rows):
        if place in set(shown):
            _flush(table, hidden)
            bar = _bar(row.parts, total, width)
            table.add_row(Text(plain(row.name)), span(row.seconds), bar)
        else:
            hidden.append(row)
    _flush(table, hidden)
    console.print()
    console.print(Text("Critical path: what the end of the run waited for, in its order"))
    console.print(table)


def _flush(table: Table, hidden: list[_Row]) -> None:
    if hidden:
        told = f"… {counted(len(hidden), 'shorter step')}"
        table.add_row(Text(told, style="dim"), span(sum(row.seconds for row in hidden)), "")
        hidden.clear()


def _bar(parts: list[PathPart], total: float, width: int) -> Text:
    """Where in the run's time the parts lie; what is too short for a cell shares one."""
    cells: list[tuple[float, str]] = [(0.0, "")] * width
    for part in parts:
        first = part.start_seconds / total * width
        last = (part.start_seconds + part.seconds) / total * width
        for cell in range(int(first), min(width - 1, int(last)) + 1):
            share = min(last, cell + 1) - max(first, cell)
            if share > cells[cell][0]:
                cells[cell] = (share, part.cause)
    bar = Text()
    for _, cause in cells:
        told = TOLD.get(cause)
        bar.append(told.glyph if told else " ", style=told.colour if told else "")
    return bar


def _causes(answer: Answer, console: Console) -> None:
    wide = console.width >= _WIDE
    differences = answer.usual.differences if answer.usual else {}
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=wide, header_style="dim")
    table.add_column("", min_width=1)
    table.add_column("where the time went" if wide else "where", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    with_share = wide or not differences  # a narrow terminal has room for one of the two
    if with_share:
        table.add_column("share", justify="right", no_wrap=True)
    if differences:
        table.add_column("than usual", justify="right", no_wrap=True)
    if wide:
        table.add_column("what it is")
    for cause, seconds in answer.causes.items():
        told = TOLD[cause]
        cells: list[str | Text] = [Text(told.glyph, style=told.colour), told.label, span(seconds)]
        if with_share:
            cells.append(f"{seconds / answer.total_seconds:.0%}")
        if differences:
            cells.append(_change(differences.get(cause, 0.0)))
        if wide:
            cells.append(Text(told.means, style="dim"))
        table.add_row(*cells)
    console.print()
    console.print(table)


def _change(seconds: float) -> Text:
    if abs(seconds) < 0.5:
        return Text("as usual", style="dim")
    style = "red" if seconds > 0 else "green"
    return Text(f"{'+' if seconds > 0 else '-'}{span(abs(seconds))}", style=style)


def _usual(answer: Answer, console: Console) -> None:
    console.print()
    console.print(Text(plain(compared(answer))))


def compared(answer: Answer) -> str:
    """The comparison with the pipeline's usual run, in words."""
    usual = answer.usual
    if usual is None:
        return (
            "Nothing to compare with: there is no other successful run of this pipeline here. A"
            " ledger knows them (--ledger PATH)."
        )
    known = f"{span(usual.total_seconds)} (median of {counted(usual.runs, 'successful run')})"
    change = usual.difference_seconds
    if answer.running:
        return f"Usually a run of this pipeline takes {known}."
    if abs(change) < max(0.5, 0.02 * usual.total_seconds):
        said = f"As usual: a run of this pipeline takes {known}."
    else:
        word = "slower" if change > 0 else "faster"
        said = f"{span(abs(change))} {word} than usual, which is {known}."
    worth = max(0.5, WORTH_TELLING * max(usual.total_seconds, answer.total_seconds))
    told = [
        f"{TOLD[cause].label} {'+' if seconds > 0 else '-'}{span(abs(seconds))}"
        for cause, seconds in usual.differences.items()
        if abs(seconds) >= worth
    ]
    return f"{said} By cause: {', '.join(told)}." if told else said


def _advice(advice: list[Advice], console: Console) -> None:
    if not advice:
        return
    console.print()
    console.print(Text("Advice", style="bold"))
    for number, found in enumerate(advice, 1):
        console.print(Text(f"{number}. {plain(found.title)}", style="bold"))
        console.print(Text(f"   {plain(found.evidence)}"))
        console.print(Text(f"   → {plain(found.action)}"))
        saved = f"   {plain(found.saves)}  " if found.saves else "   "
        console.print(Text(f"{saved}[{found.rule}] {found.docs}", style="dim"))
