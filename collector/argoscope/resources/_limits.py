"""Limits of single pipelines, crons and rollouts, from the configuration and from annotations.

They become ``argo_pipeline_threshold``, which the alerts compare with. What is configured wins
over what is annotated: platform teams have the last word over what others write into templates.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isfinite

from argoscope.metrics.labels import NAMESPACE, PIPELINE
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.resources._base import Contribution, LimitKey, ObjectMeta, Options, Sink
from argoscope.resources._thresholds import THRESHOLDS, Subject

ANNOTATION = "argoscope.dev/threshold-"
"""The name of the alert follows."""

_OVERRIDABLE = tuple(name for name, threshold in THRESHOLDS.items() if threshold.of)

PIPELINE_THRESHOLD = Metric(
    name="argo.pipeline.threshold",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(
        NAMESPACE,
        PIPELINE,
        Label(name="alert", help="Alert that compares with it", values=_OVERRIDABLE),
    ),
    help="A limit of its own that a pipeline's alerts compare with, in the unit of what is "
    "compared; of alerts about crons and rollouts the label pipeline holds their name",
    combine=Combine.MIN,
    cardinality="one for each limit that is configured or annotated",
)


def wrong_limit(alert: str, value: float) -> str:
    """What is wrong with a limit, or an empty string."""
    threshold = THRESHOLDS.get(alert)
    if threshold is None:
        close = get_close_matches(alert, _OVERRIDABLE, n=1)
        return f"no alert {alert}{f'; did you mean {close[0]}?' if close else ''}"
    if not threshold.of:
        return f"{alert} has one limit for all: it is set when the rules are built"
    if not isfinite(value) or not threshold.lowest <= value <= threshold.highest:
        return f"{alert} must be from {threshold.lowest:g} to {threshold.highest:g}, not {value:g}"
    return ""


def limit_key(text: str) -> LimitKey:
    """``namespace/name/alert`` of the configuration. Raises ValueError."""
    namespace, _, rest = text.partition("/")
    name, _, alert = rest.rpartition("/")
    if not (namespace and name and alert):
        raise ValueError(f"{text!r} is not namespace/name/alert")
    return namespace, name, alert


def configured(limits: Mapping[LimitKey, float]) -> tuple[Contribution, ...]:
    return tuple((PIPELINE_THRESHOLD, key, value) for key, value in limits.items())


class AnnotatedLimits:
    """The limits that the objects of one kind carry."""

    def __init__(self, kind: str, of: frozenset[Subject], sink: Sink, options: Options) -> None:
        """``of``: what an object of the kind may set limits for."""
        self._kind = kind
        self._of = of
        self._sink = sink
        self._configured = options.limits
        self._known: set[str] = set()

    def read(self, meta: ObjectMeta, refused: Mapping[Subject, str] | None = None) -> None:
        """Takes an object's annotations; ``refused`` says why this one can't set limits of some
        subject. What is wrong is a problem that is counted, and no limit."""
        limits = tuple(self._limits(meta, refused or {}))
        if limits:
            self._known.add(meta.uid)
            self._sink.own(_owner(meta.uid), limits)
        else:
            self.forget(meta.uid)

    def forget(self, uid: str) -> None:
        if uid in self._known:
            self._known.remove(uid)
            self._sink.own(_owner(uid), ())

    def _limits(self, meta: ObjectMeta, refused: Mapping[Subject, str]) -> Iterator[Contribution]:
        for key, text in (meta.annotations or {}).items():
            if not key.startswith(ANNOTATION):
                continue
            alert = key.removeprefix(ANNOTATION)
            value, wrong = self._value(alert, text, refused)
            if wrong:
                where = f"{meta.namespace}/{meta.name} annotation {key}: {wrong}"
                self._sink.problem(self._kind, "threshold", where)
            elif (meta.namespace, meta.name, alert) not in self._configured:
                yield PIPELINE_THRESHOLD, (meta.namespace, meta.name, alert), value

    def _value(self, alert: str, text: str, refused: Mapping[Subject, str]) -> tuple[float, str]:
        try:
            value = float(text)
        except ValueError:
            return 0.0, f"{text[:40]!r} is not a number"
        wrong = wrong_limit(alert, value)
        if not wrong:
            of = THRESHOLDS[alert].of
            wrong = refused.get(of, "") if of in self._of else f"{alert} is about a {of}"
        return value, wrong


def _owner(uid: str) -> str:
    return f"{uid}/limits"
