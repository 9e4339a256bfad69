"""Metrics in Prometheus' text format, under exactly the names that are given.

prometheus_client insists on ``_total`` at the end of a counter's name; Argo's counters are called
``argo_workflows_total_count`` and the like.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Literal

Type = Literal["counter", "gauge", "histogram"]
Values = tuple[str, ...]


class Family:
    """One metric with all its series. Label values are positional."""

    def __init__(
        self,
        name: str,
        kind: Type,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = (),
        ask: Callable[[], Iterable[tuple[Values, float]]] | None = None,
    ) -> None:
        """``ask`` gives the series at the moment of a scrape instead of ``add`` and ``set``."""
        self.name = name
        self.kind = kind
        self.labels = tuple(labels)
        self._help = help_text
        self._bounds = (*buckets, inf)
        self._ask = ask
        self._values: dict[Values, float] = {}
        self._counts: dict[Values, list[int]] = {}

    def add(self, *values: str, by: float = 1.0) -> None:
        self._values[values] = self._values.get(values, 0.0) + by

    def set(self, value: float, *values: str) -> None:
        self._values[values] = value

    def observe(self, value: float, *values: str) -> None:
        counts = self._counts.setdefault(values, [0] * len(self._bounds))
        counts[bisect_left(self._bounds, value)] += 1
        self._values[values] = self._values.get(values, 0.0) + value

    def forget(self, *first: str) -> None:
        """Drops the series whose first labels have these values."""
        for values in [v for v in self._values if v[: len(first)] == first]:
            del self._values[values]
            self._counts.pop(values, None)

    def lines(self) -> Iterable[str]:
        series = sorted(self._ask()) if self._ask else sorted(self._values.items())
        if not series:
            return
        yield f"# HELP {self.name} {_escaped(self._help)}"
        yield f"# TYPE {self.name} {self.kind}"
        for values, value in series:
            if self.kind == "histogram":
                yield from self._histogram(values, value)
            else:
                yield f"{self.name}{self._shown(values)} {_number(value)}"

    def _histogram(self, values: Values, total: float) -> Iterable[str]:
        below = 0
        for bound, count in zip(self._bounds, self._counts[values], strict=True):
            below += count
            shown = self._shown(values, f'le="{"+Inf" if bound == inf else _number(bound)}"')
            yield f"{self.name}_bucket{shown} {below}"
        yield f"{self.name}_sum{self._shown(values)} {_number(total)}"
        yield f"{self.name}_count{self._shown(values)} {below}"

    def _shown(self, values: Values, *more: str) -> str:
        pairs = [
            f'{label}="{_quoted(value)}"' for label, value in zip(self.labels, values, strict=True)
        ]
        both = ",".join([*pairs, *more])
        return f"{{{both}}}" if both else ""


def exposition(families: Iterable[Family]) -> str:
    lines = [line for family in sorted(families, key=_name) for line in family.lines()]
    return "\n".join([*lines, ""])


def _name(family: Family) -> str:
    return family.name


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', r"\"")
