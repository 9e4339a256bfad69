"""Groups of settings about what the daemon serves, to whom, and which share of the work it has;
and about what it traces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from argoscope import _checks as checks


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How the HTTP server proves who it is, and which client certificates it lets in. Files are
    read again when they change."""

    cert: str = ""
    """Path of the server's certificate with its chain, as PEM. Empty serves without TLS."""
    key: str = ""
    """Path of the certificate's key, as PEM."""
    client_ca: str = ""
    """Path of the certificates, as PEM, whose holders may issue client certificates that are let
    in. Once this or authentication.tokens is set, everything but /livez and /readyz asks for one
    or the other."""
    client_names: tuple[str, ...] = ()
    """Names (common name, or DNS or URI alternative name) of the client certificates that are let
    in; none means every one that is issued by client_ca."""


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """Whom the HTTP server lets in by a bearer token. It needs TLS."""

    tokens: Literal["off", "review"] = "off"
    """Whether tokens are asked for; review asks the API server whose a token is (TokenReview) and
    whether they may `get` the path (SubjectAccessReview on a nonResourceURL)."""
    audiences: tuple[str, ...] = ()
    """Audiences of which a token must have one; none takes those of the API server."""


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Which share of the series this daemon has, when several divide them."""

    shards: int = field(default=1, metadata={"check": checks.shards})
    """Daemons that divide the series among them. Each reads and remembers everything; each series
    is counted, served and exported by one."""
    shard: str = field(default="", metadata={"check": checks.ordinal})
    """Which of them this one is, from 0; auto takes the number at the end of the host name, which
    in a StatefulSet is the pod's. One that is not among the shards is a spare: it remembers, and
    has no series. Empty where there is only one."""


@dataclass(frozen=True, kw_only=True)
class Otlp:
    """What is sent over OTLP besides; where to is said by OpenTelemetry's own variables."""

    cicd: bool = False
    """Whether runs are sent under the names of OpenTelemetry's CI/CD semantic conventions too:
    cicd.pipeline.run.duration, cicd.pipeline.run.active and cicd.pipeline.run.errors."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Which runs become traces, where OpenTelemetry's variables name a receiver of traces (see
    docs/traces.md). Failed runs always do."""

    share: float = field(default=0.1, metadata={"check": checks.ratio})
    """Share of the runs that neither failed nor were slow, from 0 to 1. Above 0 the first such run
    of a pipeline in an hour is traced in any case."""
    pipelines: Mapping[str, float] = field(
        default_factory=dict, metadata={"check": checks.pipeline_ratios}
    )
    """The same of single pipelines: namespace/pipeline and a number, such as `ci/etl: 1`."""
    slow: float = field(default=0.95, metadata={"check": checks.ratio})
    """Quantile of a pipeline's latest 64 durations above which a run is slow, and traced; 1 for
    none. Nothing is slow before 20 runs were seen."""
