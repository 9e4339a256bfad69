"""The landing page as HTML. Everything that comes from a cluster is escaped by the template."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from argoscope import __version__
from argoscope.page.model import Summary

ASSETS = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files beside the page, and their content types."""


@cache
def asset(name: str) -> bytes:
    """Content of one of ``ASSETS``."""
    return files("argoscope.page").joinpath(name).read_bytes()


@cache
def fingerprint() -> str:
    """Changes with the assets, so that no browser shows a new page in an old style."""
    return hashlib.sha256(b"".join(map(asset, ASSETS))).hexdigest()[:12]


def prepare() -> None:
    """Compiles the template and reads the files, so that no request waits for it."""
    _template()
    fingerprint()


def page(summary: Summary, *, cluster: str, started: float) -> str:
    """``started``: Unix seconds since when things are counted."""
    return _template().render(
        s=summary,
        cluster=cluster,
        version=__version__,
        started=started,
        since=summary.at - started,
        style=fingerprint(),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("argoscope", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "iso": iso, "clock": clock}
    return environment.get_template("page.html")


def duration(seconds: float) -> str:
    """Two units at most: 4.2 s, 3 min 20 s, 5 h 7 min, 2 d 3 h; an int stays whole."""
    if seconds < 10 and isinstance(seconds, float):
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole} s"


def iso(unix: float) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(unix: float) -> str:
    """To be read by people: UTC, as Argo's schedules without a time zone are."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
