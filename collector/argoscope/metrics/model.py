"""Metric definitions are data: one frozen object per metric, OpenTelemetry names, UCUM units."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from argoscope.metrics.naming import prometheus_name, prometheus_unit

RESERVED_LABELS = frozenset({"job", "instance", "le", "quantile"})
_LABEL = re.compile(r"[a-z][a-z0-9_]*\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")

Labels = tuple[str, ...]
"""Label values in the order of a metric's ``labels``."""


class Instrument(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Combine(StrEnum):
    """How the contributions of several objects to one gauge series become its value."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Stability(StrEnum):
    STABLE = "stable"
    ALPHA = "alpha"


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A label, defined once.

    ``open`` marks names that users choose (pipelines, templates): a metric over its series budget
    folds these into ``_other``; labels with a closed set of values are never folded.
    """

    name: str
    help: str
    open: bool = False
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _LABEL.match(self.name) or self.name in RESERVED_LABELS:
            raise ValueError(f"label {self.name!r}: reserved, or not a lower-case identifier")


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """One metric family.

    ``name`` is OpenTelemetry's, ``unit`` is UCUM (``s``, ``By``, ``1``, ``{run}``); the Prometheus
    name follows from both. Label values are given in the order of ``labels``. ``buckets`` are
    upper bounds in the metric's unit, ascending, without infinity. With ``age`` a gauge's
    contributions are Unix times in seconds and what is exposed is the time since then. What is
    ``volatile`` says how this process fares: no ledger keeps it, and it is shown without a commit.

    Raises ValueError for a definition that breaks the naming rules.
    """

    name: str
    instrument: Instrument
    unit: str
    labels: tuple[Label, ...]
    help: str
    buckets: tuple[float, ...] = ()
    combine: Combine = Combine.SUM
    age: bool = False
    volatile: bool = False
    budget: int = 10_000
    stability: Stability = Stability.ALPHA
    cardinality: str = ""
    unused_because: str = ""
    """Why no dashboard and no alert uses it; empty when one does."""

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError(f"metric {self.name!r}: {'; '.join(problems)}")
        object.__setattr__(self, "_prometheus", prometheus_name(self))
        object.__setattr__(self, "_unit", prometheus_unit(self))

    def _problems(self) -> Iterator[str]:
        if not _NAME.match(self.name):
            yield "the name is not dotted lower case"
        if not self.help or self.help.endswith(".") or "\n" in self.help:
            yield "help must be one line without a trailing period"
        if len({label.name for label in self.labels}) != len(self.labels):
            yield "a label is named twice"
        histogram = self.instrument is Instrument.HISTOGRAM
        if histogram != bool(self.buckets):
            yield "buckets belong to histograms, and each histogram needs them"
        if list(self.buckets) != sorted(set(self.buckets)):
            yield "buckets must ascend"
        if self.age and (self.instrument is not Instrument.GAUGE or self.unit != "s"):
            yield "only a gauge in seconds can be an age"
        if self.age and self.combine is Combine.SUM:
            yield "times are not added: an age combines by min (the oldest) or max"
        if not all(map(isfinite, self.buckets)):
            yield "infinity is every histogram's last bucket and is not named"
        if self.budget < 1:
            yield "the series budget must be at least 1"

    @property
    def prometheus(self) -> str:
        """Name of the family in the Prometheus exposition, ``_total`` included for counters."""
        return self._prometheus  # type: ignore[attr-defined,no-any-return]

    @property
    def prometheus_unit(self) -> str:
        """Word for the unit at the end of ``prometheus``: seconds, bytes, ratio; often empty."""
        return self._unit  # type: ignore[attr-defined,no-any-return]

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)
