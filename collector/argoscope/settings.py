"""Settings: what they are, and how file, environment and flags become them.

A flag wins over the environment, which wins over the file. Every setting is an attribute with a
docstring; docs/configuration.md and the flags' help are made of those. Variables named ``OTEL_*``
belong to export/otlp.py.
"""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from argoscope import _checks as checks
from argoscope._groups import Authentication, Otlp, Sharding, Tls, Traces

if TYPE_CHECKING:
    from argoscope.resources._base import AnyResource

ENV_PREFIX = "ARGOSCOPE_"
_NO_SETTINGS = frozenset(
    {
        "ARGOSCOPE_CONFIG",  # the file's path, read by the command line
        "ARGOSCOPE_SIMULATED_CLOCK",  # time of a simulated cluster, read by simulated_clock
        "ARGOSCOPE_SHARED",  # where this project's tests find real input
    }
)

FLAGS = {
    "listen": "--listen",
    "namespaces": "--namespace",
    "selector": "--selector",
    "kubeconfig": "--kubeconfig",
    "context": "--context",
    "cluster": "--cluster",
    "ledger.path": "--ledger",
    "sharding.shards": "--shards",
    "sharding.shard": "--shard",
    "log.level": "--log-level",
    "log.format": "--log-format",
}
"""The flags of `argoscope run`, by the key path of what they set."""

# Kubernetes puts the addresses of Services into the environment of every pod of their namespace;
# for one named argoscope, or argoscope-something, they look like settings of ours.
_SERVICE_LINK = re.compile(
    r"ARGOSCOPE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)\Z"
)


@dataclass(frozen=True, kw_only=True)
class Log:
    """What the daemon says on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged: info is state changes, warning something degraded, error what
    needs a person."""
    format: Literal["auto", "json", "console"] = "auto"
    """How lines look; auto is console on a terminal and json elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """How workflows are named and described."""

    pipeline: tuple[str, ...] = field(default=(), metadata={"check": checks.label_keys})
    """Workflow labels or annotations of which the first that is present names the pipeline,
    before templates, crons and generateName are asked."""
    workflow: tuple[str, ...] = field(default=(), metadata={"check": checks.label_keys})
    """Workflow labels that are copied to the info metric, such as team or project."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What is watched."""

    disabled: tuple[str, ...] = field(default=(), metadata={"check": checks.resource_names})
    """Kinds that are not watched; what would be derived from them is absent."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """How many series a metric may have."""

    budgets: Mapping[str, int] = field(default_factory=dict, metadata={"check": checks.budgets})
    """Prometheus name of a metric and the most series it may have; further ones are folded into
    the label value _other and counted. Metrics that are not named here keep the budget of
    docs/metrics.md."""


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What the alerts compare with; see docs/alerts.md."""

    thresholds: Mapping[str, float] = field(
        default_factory=dict, metadata={"check": checks.thresholds}
    )
    """Limits of single pipelines, crons and rollouts: namespace/name/alert and a number in the
    unit of docs/alerts.md, such as `ci/etl/ArgoPipelineFailureRatioHigh: 0.5`. They are exposed as
    argo_pipeline_threshold and win over annotations `argoscope.dev/threshold-<alert>`."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is advised about pipelines; see docs/advice.md."""

    silenced: tuple[str, ...] = field(default=(), metadata={"check": checks.advice_rules})
    """Rules that stay silent, such as no-ttl: in argo_pipeline_findings, on the landing page and
    in `argoscope explain`."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Where what was counted is kept across restarts."""

    path: str = field(default="", metadata={"env": "ARGOSCOPE_LEDGER"})
    """File or folder (then argoscope.db in it) on a volume that outlives the process and belongs
    to one daemon. Empty keeps nothing: counters begin at 0 with every start."""
    retention: float = field(default=30.0, metadata={"check": checks.retention})
    """Days for which run records are kept; at least 8, since the 7-day gauges are made of them.
    A million of them take about 250 MB."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Where a daemon without a ledger keeps up to where it has counted, so that the one after it
    counts what ended while none was there, and no more."""

    enabled: Literal["auto", "always", "never"] = "auto"
    """Whether to use a Lease; auto does in a pod that has no ledger. With a ledger there is none:
    it knows more."""
    namespace: str = field(default="", metadata={"check": checks.namespace})
    """Namespace of the Lease; empty takes the pod's own."""
    shard: int = field(default=0, metadata={"check": checks.shard})
    """Number in the Lease's name, argoscope-0 for shard 0. Daemons that watch different things
    need different ones; of two with the same, the second stands by."""
    holder: str = ""
    """Name under which the Lease is held; empty takes the host name, which in a pod is the pod's.
    A daemon of the same name takes the Lease over at once, another one when it was let go or has
    not been renewed for 30 s."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The daemon's settings."""

    listen: str = field(default="127.0.0.1:9464", metadata={"check": checks.address})
    """Address and port of the HTTP server. `[::]:9464` listens on all interfaces, IPv4 included;
    port 0 takes a free one and logs it."""
    namespaces: tuple[str, ...] = field(default=(), metadata={"check": checks.namespaces})
    """Namespaces to watch; none means the whole cluster."""
    selector: str = field(default="", metadata={"check": checks.selector})
    """Label selector for Workflows, CronWorkflows and Rollouts, evaluated by the API server.
    Pods do not have the labels of their workflow: they are watched whatever this says."""
    kubeconfig: str = ""
    """Path of a kubeconfig file; empty takes KUBECONFIG, the pod's service account or
    `~/.kube/config`, whichever is there first."""
    context: str = ""
    """Context of the kubeconfig; empty takes its current one."""
    cluster: str = ""
    """Name of the cluster: the OTLP resource attribute k8s.cluster.name and the landing page's
    title. Empty leaves it out."""
    log: Log = field(default_factory=Log)
    labels: Labels = field(default_factory=Labels)
    resources: Resources = field(default_factory=Resources)
    series: Series = field(default_factory=Series)
    alerts: Alerts = field(default_factory=Alerts)
    advice: Advice = field(default_factory=Advice)
    ledger: Ledger = field(default_factory=Ledger)
    lease: Lease = field(default_factory=Lease)
    tls: Tls = field(default_factory=Tls)
    authentication: Authentication = field(default_factory=Authentication)
    sharding: Sharding = field(default_factory=Sharding)
    otlp: Otlp = field(default_factory=Otlp)
    traces: Traces = field(default_factory=Traces)

    def kinds(self) -> "tuple[AnyResource, ...]":
        """The kinds that are not switched off, in the order of their first lists."""
        from argoscope.resources._load import load  # every kind: not for printing help

        return tuple(kind for kind in load() if kind.name not in self.resources.disabled)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with what was configured."""

    key: str
    """Path of the key, such as log.level."""
    message: str
    source: str
    """The file's path, the environment variable or the flag."""

    def __str__(self) -> str:
        return f"{self.key}: {self.message} ({self.source})"


class SettingsError(Exception):
    """Everything that is wrong with the configuration, not only the first thing."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One setting: an attribute that is no group."""

    path: str
    type: Any
    default: Any
    check: Callable[[Any], str] | None
    """Returns what is wrong with a value of the right type, or an empty string."""

    env: str
    """The environment variable that sets it."""


@cache
def leaves() -> dict[str, Leaf]:
    """All settings by key path, in the order of definition."""
    return {leaf.path: leaf for leaf in _leaves(Settings, "")}


def _leaves(group: type[Any], prefix: str) -> list[Leaf]:
    found: list[Leaf] = []
    hints = get_type_hints(group)
    for item in fields(group):
        path = prefix + item.name
        if is_dataclass(hints[item.name]):
            found += _leaves(hints[item.name], f"{path}.")
            continue
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        found.append(
            Leaf(
                path=path,
                type=hints[item.name],
                default=default,
                check=item.metadata.get("check"),
                env=item.metadata.get("env") or ENV_PREFIX + path.upper().replace(".", "_"),
            )
        )
    return found


def load(
    file: str | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of a file, of environment variables and of flags (by key path).

    Raises SettingsError with all problems.
    """
    problems: list[Problem] = []
    values: dict[str, object] = {}
    sources = (
        _from_file(file, problems) if file else [],
        _from_env(env or {}, problems),
        [(path, value, FLAGS[path]) for path, value in (flags or {}).items()],
    )
    for source in sources:
        for path, value, where in source:
            _take(leaves()[path], value, where, values, problems)
    if problems:
        raise SettingsError(problems)
    settings: Settings = _build(Settings, values, "")
    return settings


def value(settings: Settings, path: str) -> Any:
    """The value at a key path."""
    return attrgetter(path)(settings)


def _take(
    leaf: Leaf, raw: object, source: str, values: dict[str, object], problems: list[Problem]
) -> None:
    try:
        value = checks.convert(raw, leaf.type)
    except ValueError as error:
        problems.append(Problem(key=leaf.path, message=str(error), source=source))
        return
    if leaf.check is not None and (wrong := leaf.check(value)):
        problems.append(Problem(key=leaf.path, message=wrong, source=source))
        return
    values[leaf.path] = value


def _build(group: type[Any], values: Mapping[str, object], prefix: str) -> Any:
    made: dict[str, object] = {}
    hints = get_type_hints(group)
    for item in fields(group):
        path = prefix + item.name
        if is_dataclass(hints[item.name]):
            made[item.name] = _build(hints[item.name], values, f"{path}.")
        elif path in values:
            made[item.name] = values[path]
    return group(**made)


Found = list[tuple[str, object, str]]
"""Key path, value as it was written, and where."""


def _from_file(path: str, problems: list[Problem]) -> Found:
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(Problem(key="config", message=str(error.strerror), source=path))
        return []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = " ".join(f"not YAML: {error}".split())
        problems.append(Problem(key="config", message=message, source=path))
        return []
    found: Found = []
    _walk(Settings, {} if document is None else document, "", path, found, problems)
    return found


def _walk(
    group: type[Any], node: object, prefix: str, file: str, found: Found, problems: list[Problem]
) -> None:
    """Takes the leaves of one mapping of the file; what is no setting is a problem."""
    if not isinstance(node, dict):
        key = prefix.removesuffix(".") or "config"
        problems.append(Problem(key=key, message="must be a mapping of settings", source=file))
        return
    hints = {item.name: get_type_hints(group)[item.name] for item in fields(group)}
    for name, value in node.items():
        path = f"{prefix}{name}"
        if name not in hints:
            message = f"unknown setting{checks.did_you_mean(str(name), hints)}"
            problems.append(Problem(key=path, message=message, source=file))
        elif is_dataclass(hints[name]):
            if value is not None:
                _walk(hints[name], value, f"{path}.", file, found, problems)
        elif value is not None:
            found.append((path, value, file))


def _from_env(env: Mapping[str, str], problems: list[Problem]) -> Found:
    """Variables that are set; an empty one counts as not set, as OpenTelemetry has it."""
    known = {leaf.env: leaf.path for leaf in leaves().values()}
    found: Found = []
    for name, value in sorted(env.items()):
        if not name.startswith(ENV_PREFIX) or not value or name in _NO_SETTINGS:
            continue
        if name in known:
            found.append((known[name], value, name))
        elif not _SERVICE_LINK.match(name):
            message = f"unknown setting{checks.did_you_mean(name, known)}"
            problems.append(Problem(key=name, message=message, source="environment"))
    return found


@cache
def documentation(path: str) -> str:
    """The docstring of a setting or of a group (such as ``log``), as one paragraph."""
    group: type[Any] = Settings
    *parents, name = path.split(".")
    for parent in parents:
        group = get_type_hints(group)[parent]
    if is_dataclass(get_type_hints(group)[name]):
        return inspect.getdoc(get_type_hints(group)[name]) or ""
    return _attribute_docstrings(group).get(name, "")


def _attribute_docstrings(group: type[Any]) -> dict[str, str]:
    """PEP 258 attribute docstrings, which Python itself does not keep."""
    (definition,) = ast.parse(dedent(inspect.getsource(group))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found
