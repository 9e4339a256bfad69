"""What a Prometheus makes of expositions: series of a job, stale when they are gone."""

import re

from proof.remote_write import Series, Writer, timestamp

_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Target:
    """One scrape target with ``honor_labels: true``."""

    def __init__(self, cluster: str, job: str) -> None:
        self._own = {"cluster": cluster, "job": job, "instance": f"{job}:8080"}
        self._series: dict[bytes, Series] = {}
        self._live: set[bytes] = set()
        self._about = [
            Series({"__name__": name, **self._own})
            for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped")
        ]

    def scrape(
        self, at: float, page: bytes | None, took: float = 0.0, *, only: tuple[str, ...] = ()
    ) -> None:
        """``page``: Prometheus' text format; None when it could not be had. ``took``: seconds.
        ``only``: beginnings of the names that are taken; all, when there is none."""
        when = timestamp(at)
        keep = tuple(name.encode() for name in only)
        live: set[bytes] = set()
        series = self._series
        for line in (page or b"").splitlines():
            if not line or line[0] == 35:  # a comment
                continue
            if keep and not line.startswith(keep):
                continue
            key, _, value = line.rpartition(b" ")
            one = series.get(key)
            if one is None:
                one = series[key] = Series(self._labels(key.decode()))
            one.add(when, float(value))
            live.add(key)
        for key in self._live - live:
            series[key].end(when)
        self._live = live
        for one, value in zip(
            self._about, (float(page is not None), took, float(len(live))), strict=True
        ):
            one.add(when, value)

    def send(self, writer: Writer) -> None:
        writer.send([*self._about, *self._series.values()])

    def _labels(self, key: str) -> dict[str, str]:
        name, _, rest = key.partition("{")
        found = {label: _ESCAPED.sub(_unescape, value) for label, value in _PAIR.findall(rest)}
        shown = {label: value for label, value in found.items() if value}
        return {"__name__": name, **self._own, **shown}


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
