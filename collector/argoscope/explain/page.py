"""The answer as one file for a browser: nothing is loaded from anywhere.

Names come from users. The template escapes them, the data is JSON in which nothing can end the
element that holds it, and the script only ever sets text. The page's own policy lets no other
script run and nothing be sent.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from argoscope import __version__
from argoscope.advice.words import span
from argoscope.explain.answer import state
from argoscope.explain.asking import Explanation
from argoscope.explain.causes import TOLD
from argoscope.explain.rows import Row, all_rows, path_rows
from argoscope.explain.terminal import compared, summary

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class _Drawn(msgspec.Struct):
    """One run, for the script. Seconds."""

    total: float
    began: float
    """Unix seconds."""
    path: list[Row]
    all: list[Row]


def page(found: Sequence[Explanation]) -> str:
    """HTML of all these runs; the slowest is shown first."""
    answers = [each.answer for each in found]
    drawn = [
        _Drawn(
            total=each.answer.total_seconds,
            began=each.run.line.begin,
            path=path_rows(each.run),
            all=all_rows(each.run),
        )
        for each in found
    ]
    told = {name: {"label": cause.label, "means": cause.means} for name, cause in TOLD.items()}
    style, script = _asset("page.css"), _asset("page.js")
    return _template().render(
        answers=answers,
        slowest=max(range(len(answers)), key=lambda place: answers[place].total_seconds),
        summary=summary(answers) if len(answers) > 1 else "",
        compared=[compared(answer) for answer in answers],
        causes=TOLD,
        data=_embedded({"runs": drawn, "causes": told}),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'",
        version=__version__,
    )


def _embedded(data: object) -> Markup:
    """JSON that can stand in a script element, whatever its texts are."""
    text = msgspec.json.encode(data).decode()
    for char, escape in _UNSAFE.items():
        text = text.replace(char, escape)
    return Markup(text)  # noqa: S704 - has no character left that HTML could mistake


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return files("argoscope.explain").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("argoscope", "explain"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = span
    environment.filters["state"] = state
    return environment.get_template("page.html")
