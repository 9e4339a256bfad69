"""The contract that every query keeps, in dashboards and in rules.

``Contract.problems(query, where)`` parses PromQL, walks its tree and says what would silently
return nothing: a series that nobody exposes, a label or a value that the series has not, ``rate``
of a gauge, ``histogram_quantile`` of something that is no histogram. Recording rules are added
with ``record``: which labels they have follows from their expression.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import promql_parser as parser

from argoscope.catalogue import catalogue
from argoscope.metrics.model import Instrument, Metric

TARGET_LABELS = frozenset(
    {"job", "instance", "cluster", "pod", "container", "service", "endpoint", "node"}
)
"""What Prometheus' service discovery adds to every series; ``cluster`` is the external label."""

_RATES = frozenset({"rate", "irate", "increase", "resets"})
# Where a counter's value itself is meant: whether it is there, and how many series it has.
_PRESENCE = frozenset({"absent", "absent_over_time", "present_over_time", "timestamp", "changes"})
_COUNTING = frozenset({"count", "group", "count_values"})
_MACROS = {
    "__rate_interval_ms": "300000",
    "__rate_interval": "5m",
    "__interval_ms": "60000",
    "__interval": "1m",
    "__range_ms": "3600000",
    "__range_s": "3600",
    "__range": "1h",
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::[\w,.]+)?\}|\$(\w+)|\[\[(\w+)\]\]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|`[^`]*`")


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is known of a series: its instrument and its labels, with their values where closed."""

    name: str
    instrument: Instrument
    labels: Mapping[str, tuple[str, ...]]
    recorded: bool = False


@dataclass(frozen=True)
class Context:
    """Where in the tree a selector stands."""

    rate: bool = False
    counted: bool = False


def plain(query: str) -> str:
    """The query as Prometheus gets it: Grafana's macros and variables replaced by some value.

    Inside strings a variable stays as it is; the contract takes it for any value.
    """
    parts: list[str] = []
    position = 0
    for string in _STRING.finditer(query):
        parts += [_replaced(query[position : string.start()]), string.group()]
        position = string.end()
    return "".join([*parts, _replaced(query[position:])])


def _replaced(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        return _MACROS.get(next(filter(None, match.groups())), "5")

    return _VARIABLE.sub(value, text)


def family(metric: Metric) -> Family:
    return Family(
        name=metric.prometheus,
        instrument=metric.instrument,
        labels={label.name: () if label.open else label.values for label in metric.labels},
    )


@dataclass
class Contract:
    """The series that exist. ``foreign`` ones are exposed by others and listed with a reason.

    With ``counters_in_rates`` a counter may only stand in rate, irate, increase or a count of its
    series: the raw value is hardly ever meant on a dashboard.
    """

    foreign: Iterable[Family] = ()
    counters_in_rates: bool = False
    target_labels: frozenset[str] = TARGET_LABELS
    _families: dict[str, Family] = field(init=False)

    def __post_init__(self) -> None:
        self._families = {metric.prometheus: family(metric) for metric in catalogue()}
        for one in self.foreign:
            assert one.name not in self._families, f"{one.name} is not foreign"
            self._families[one.name] = one
        self._used: set[str] = set()

    @property
    def used(self) -> frozenset[str]:
        """Names of the families that queries have used so far."""
        return frozenset(self._used)

    def record(self, name: str, query: str, where: str, labels: Iterable[str] = ()) -> list[str]:
        """Adds a recording rule with its static ``labels``; says what is wrong with its query."""
        problems, found = self._read(query, where)
        known = dict.fromkeys((*found, *labels), ())
        self._families[name] = Family(
            name=name, instrument=Instrument.GAUGE, labels=known, recorded=True
        )
        return problems

    def problems(self, query: str, where: str) -> list[str]:
        """What is wrong with the query, each as one line that names ``where`` and the query."""
        return self._read(query, where)[0]

    def labels(self, query: str) -> frozenset[str]:
        """The labels that the query's result can have. Raises ValueError for broken PromQL."""
        return _Reading(self, set()).labels(parser.parse(plain(query)), Context())

    def _read(self, query: str, where: str) -> tuple[list[str], frozenset[str]]:
        try:
            tree = parser.parse(plain(query))
        except ValueError as error:
            return [f"{where}: {error}: {query}"], frozenset()
        reading = _Reading(self, self._used)
        labels = reading.labels(tree, Context())
        return [f"{where}: {problem}: {query}" for problem in reading.problems], labels

    def series(self, name: str) -> tuple[Family, str] | None:
        """The family of a series and the series' suffix in it."""
        if found := self._families.get(name):
            histogram = found.instrument is Instrument.HISTOGRAM
            return None if histogram else (found, "")
        for suffix in ("_bucket", "_sum", "_count"):
            found = self._families.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
            if found and found.instrument is Instrument.HISTOGRAM:
                return found, suffix
        return None


class _Reading:
    """One walk over one tree: collects problems, and answers which labels a node's result has."""

    def __init__(self, contract: Contract, used: set[str]) -> None:
        self.contract = contract
        self.used = used
        self.problems: list[str] = []

    def labels(self, node: Any, context: Context) -> frozenset[str]:
        match node:
            case parser.VectorSelector():
                return self._selector(node, context)
            case parser.MatrixSelector():
                return self._selector(node.vector_selector, context)
            case parser.AggregateExpr():
                return self._aggregate(node, context)
            case parser.BinaryExpr():
                return self._binary(node, context)
            case parser.Call():
                return self._call(node, context)
            case parser.ParenExpr() | parser.UnaryExpr() | parser.SubqueryExpr():
                return self.labels(node.expr, context)
            case parser.NumberLiteral() | parser.StringLiteral():
                return frozenset()
        raise TypeError(f"a node that this walk does not know: {type(node).__name__}")

    def _selector(self, node: Any, context: Context) -> frozenset[str]:
        matchers = list(_matchers(node.matchers))
        found = self.contract.series(node.name) if node.name else None
        if found is None:
            self.problems.append(f"no such series: {node.name or 'a selector without a name'}")
            return frozenset()
        family, suffix = found
        self.used.add(family.name)
        self._check_rate(node.name, family, context)
        own = frozenset(family.labels) | ({"le"} if suffix == "_bucket" else frozenset())
        for matcher in matchers:
            if matcher.name not in own | self.contract.target_labels:
                self.problems.append(f"{node.name} has no label {matcher.name}")
            elif values := family.labels.get(matcher.name):
                self._check_value(node.name, matcher, values)
        return own | self.contract.target_labels

    def _check_rate(self, name: str, family: Family, context: Context) -> None:
        counts = family.instrument is not Instrument.GAUGE
        if context.rate and not counts:
            self.problems.append(f"{name} is no counter, so rate and increase mean nothing")
        if counts and not (context.rate or context.counted) and self.contract.counters_in_rates:
            self.problems.append(f"{name} only ever grows: use rate or increase")

    def _check_value(self, name: str, matcher: Any, values: tuple[str, ...]) -> None:
        if "$" in matcher.value or matcher.value == "":
            return
        exact = str(matcher.op) in {"MatchOp.Equal", "MatchOp.NotEqual"}
        wanted = [matcher.value] if exact else _alternatives(matcher.value)
        for text in wanted:
            hit = text in values if exact else any(re.fullmatch(text, value) for value in values)
            if not hit:
                self.problems.append(f"{name} never has {matcher.name} {text!r}")

    def _aggregate(self, node: Any, context: Context) -> frozenset[str]:
        operation = str(node.op)
        counted = context.counted or operation in _COUNTING
        inner = self.labels(node.expr, Context(rate=context.rate, counted=counted))
        if node.param is not None:
            self.labels(node.param, Context())
        named = frozenset(node.modifier.labels) if node.modifier else frozenset()
        self._expect(named, inner, f"{operation} by or without")
        if operation in {"topk", "bottomk", "limitk", "limit_ratio"}:
            return inner
        if operation == "count_values":
            named |= {node.param.val}
        if node.modifier and "Without" in str(node.modifier.type):
            return inner - named
        return named

    def _binary(self, node: Any, context: Context) -> frozenset[str]:
        left, right = self.labels(node.lhs, context), self.labels(node.rhs, context)
        scalars = [side for side in (node.lhs, node.rhs) if _scalar(side)]
        if scalars or node.modifier is None:
            return left | right if not (left and right) else self._kept(node, left, right)
        matching = node.modifier.matching
        if matching is not None and "Include" in str(matching.type):
            on = frozenset(matching.labels)
            self._expect(on, left, "on, left side")
            self._expect(on, right, "on, right side")
        card = str(node.modifier.card)
        if "ManyToOne" in card or "OneToMany" in card:
            many, one = (left, right) if "ManyToOne" in card else (right, left)
            extra = frozenset(node.modifier.group_labels or ())
            self._expect(extra, one, "group_left or group_right")
            return many | extra
        return self._kept(node, left, right)

    def _kept(self, node: Any, left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
        return left | right if str(node.op) == "or" else left

    def _call(self, node: Any, context: Context) -> frozenset[str]:
        name = node.func.name
        rate, counted = context.rate or name in _RATES, context.counted or name in _PRESENCE
        results = [self.labels(one, Context(rate=rate, counted=counted)) for one in node.args]
        labels = frozenset().union(*results)
        if name in {"histogram_quantile", "histogram_fraction"}:
            self._expect(frozenset({"le"}), labels, name)
            self._check_buckets(node.args[-1], name)
            return labels - {"le"}
        if name in {"label_replace", "label_join"}:
            # Sources first: the new label may be made of those alone.
            sources = node.args[3:4] if name == "label_replace" else node.args[3:]
            self._expect(frozenset(one.val for one in sources), labels, name)
            return labels | {node.args[1].val}
        if name in {"absent", "absent_over_time", "vector", "scalar", "time"}:
            return frozenset()
        return labels

    def _check_buckets(self, node: Any, function: str) -> None:
        for selector in _selectors(node):
            found = self.contract.series(selector.name or "")
            if found and found[1] != "_bucket" and "le" not in found[0].labels:
                self.problems.append(f"{function} of {selector.name}, which has no buckets")

    def _expect(self, wanted: frozenset[str], present: frozenset[str], what: str) -> None:
        for label in sorted(wanted - present):
            self.problems.append(f"no label {label} there, for {what}")


def _scalar(node: Any) -> bool:
    if isinstance(node, parser.ParenExpr | parser.UnaryExpr):
        return _scalar(node.expr)
    if isinstance(node, parser.Call):
        return node.func.name in {"time", "scalar", "pi"}
    return isinstance(node, parser.NumberLiteral)


def _matchers(matchers: Any) -> Iterator[Any]:
    yield from matchers.matchers
    for group in matchers.or_matchers:
        yield from group


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, parser.VectorSelector):
        yield node
    elif isinstance(node, parser.MatrixSelector):
        yield node.vector_selector
    else:
        for name in ("expr", "lhs", "rhs"):
            if (child := getattr(node, name, None)) is not None:
                yield from _selectors(child)
        for child in getattr(node, "args", ()):
            yield from _selectors(child)


@cache
def _alternatives(pattern: str) -> tuple[str, ...]:
    """The branches of a regular expression: each must be able to match something."""
    if any(sign in pattern for sign in "()[]"):
        return (pattern,)
    return tuple(pattern.split("|"))
