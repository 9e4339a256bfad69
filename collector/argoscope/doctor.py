"""Checks what the daemon needs from its surroundings, and says what to do about what is missing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from argoscope.export import otlp_settings
from argoscope.export.otlp_settings import OtlpSettings, Signal
from argoscope.export.otlp_transport import transport
from argoscope.kube import leases
from argoscope.kube.client import Client
from argoscope.kube.config import Credentials, InCluster, find_credentials
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ConfigError,
    ForbiddenError,
    KubeError,
    NotFoundError,
    describe,
)
from argoscope.lease.claim import configured, grant
from argoscope.rbac import VERBS, review_rules
from argoscope.resources._base import AnyResource
from argoscope.settings import Settings

_NEEDED = ("list", "watch")
_REVIEWER = (
    "bind the ClusterRole argoscope-reviewer, or Kubernetes' own system:auth-delegator, to the"
    " account"
)
_PARALLEL = 8
_PATIENCE = 10.0
"""Seconds for one question to the API server; a daemon would wait longer."""
_OLDEST = (1, 25)
"""Kubernetes before it had the APIs that current Argo versions need."""


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Nothing is wrong, but something is not there that could be."""
    DEGRADED = "degraded"
    """The daemon works, with less than it could."""
    MISSING = "missing"
    """The daemon can't do what it was configured for."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    level: Level
    message: str
    advice: str = ""
    """What to do; empty when nothing needs doing."""


def main(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """All findings, in the order in which they build on each other."""
    return asyncio.run(examine(settings, environ))


async def examine(
    settings: Settings, environ: Mapping[str, str], credentials: Credentials | None = None
) -> list[Finding]:
    """The same on a running loop; ``credentials`` are found if not given."""
    try:
        credentials = credentials or find_credentials(
            settings.kubeconfig or None, settings.context or None, environ
        )
    except ConfigError as error:
        advice = "run inside the cluster with a service account, or name a file with --kubeconfig"
        findings = [_missing("credentials", str(error), advice)]
    else:
        async with Client(credentials) as client:
            in_pod = isinstance(credentials, InCluster)
            findings = [found async for found in _cluster(client, settings, in_pod=in_pod)]
    findings.append(await _otlp(*otlp_settings.read(environ)))
    traces, problems = otlp_settings.read(environ, Signal.TRACES)
    # Without an endpoint, or with one that is wrong for both, it has been said already.
    return [*findings, await _otlp(traces, [])] if traces and not problems else findings


async def _cluster(client: Client, settings: Settings, *, in_pod: bool) -> AsyncIterator[Finding]:
    reached = await _server(client)
    yield reached
    if reached.level is Level.MISSING:
        return
    served: list[AnyResource] = []
    for resource in settings.kinds():
        finding = await _kind(client, resource)
        if finding.level is Level.OK:
            served.append(resource)
        yield finding
    if not any(resource.group for resource in served):
        yield _missing(
            "argo",
            "the API server serves none of Argo's kinds",
            "install Argo Workflows or Argo Rollouts, or check that this is the right cluster",
        )
    for finding in await _permissions(client, served, settings.namespaces):
        yield finding
    for finding in await _lease(client, settings, in_pod=in_pod):
        yield finding
    for finding in await _reviews(client, settings):
        yield finding


def _missing(subject: str, message: str, advice: str) -> Finding:
    return Finding(subject=subject, level=Level.MISSING, message=message, advice=advice)


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""
    major: str = "0"
    minor: str = "0"


async def _server(client: Client) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            version = msgspec.json.decode(await client.get("/version"), type=_Version)
    except (KubeError, msgspec.MsgspecError, *NETWORK_ERRORS) as error:
        advice = "check the address and the network path to the API server, then the credentials"
        return _missing("api server", f"no answer: {describe(error)}", advice)
    # Managed clusters write a plus behind the minor version.
    number = (int(version.major), int("".join(filter(str.isdecimal, version.minor)) or 0))
    if number < _OLDEST:
        return Finding(
            subject="api server",
            level=Level.DEGRADED,
            message=f"Kubernetes {version.git_version} is older than what argoscope is tested on",
            advice="upgrade the cluster; watches without bookmarks cost it more lists",
        )
    return Finding(
        subject="api server", level=Level.OK, message=f"Kubernetes {version.git_version}"
    )


class _ApiResource(msgspec.Struct):
    name: str


class _ApiResourceList(msgspec.Struct):
    resources: list[_ApiResource] = []


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    name: str
    versions: list[_GroupVersion] = []


class _GroupList(msgspec.Struct):
    groups: list[_Group] = []


async def _kind(client: Client, resource: AnyResource) -> Finding:
    """Whether the API server serves the kind in the version that is read."""
    subject = f"kind {resource.kind}"
    path = resource.path.removesuffix(f"/{resource.plural}")
    try:
        async with asyncio.timeout(_PATIENCE):
            body = await client.get(path)
        names = {item.name for item in msgspec.json.decode(body, type=_ApiResourceList).resources}
        if resource.plural in names:
            return Finding(
                subject=subject, level=Level.OK, message=f"served as {resource.api_version}"
            )
        others: list[str] = []
    except NotFoundError:
        others = await _other_versions(client, resource)
    except (KubeError, msgspec.MsgspecError, *NETWORK_ERRORS) as error:
        return _missing(subject, f"can't be looked up: {describe(error)}", "look at the API server")
    if others:
        message = f"{resource.group} is served as {', '.join(others)}, not as {resource.version}"
        return _missing(subject, message, "use a version of argoscope that reads it")
    return Finding(
        subject=subject,
        level=Level.NOTE,
        message=f"{resource.plural} are not served: the CRD is not installed",
        advice="nothing, if it is not used here: argoscope looks for it once a minute",
    )


async def _other_versions(client: Client, resource: AnyResource) -> list[str]:
    try:
        async with asyncio.timeout(_PATIENCE):
            body = await client.get("/apis")
        groups = msgspec.json.decode(body, type=_GroupList).groups
    except (KubeError, msgspec.MsgspecError, *NETWORK_ERRORS):
        return []
    versions = {group.name: [item.version for item in group.versions] for group in groups}
    return [version for version in versions.get(resource.group, []) if version != resource.version]


async def _permissions(
    client: Client, resources: Sequence[AnyResource], namespaces: tuple[str, ...]
) -> list[Finding]:
    limit = asyncio.Semaphore(_PARALLEL)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_permission(client, resource, namespace, limit))
            for resource in resources
            for namespace in ((namespaces if resource.namespaced else ()) or ("",))
        ]
    return [task.result() for task in tasks]


async def _permission(
    client: Client, resource: AnyResource, namespace: str, limit: asyncio.Semaphore
) -> Finding:
    what = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    where = f"in namespace {namespace}" if namespace else "in the whole cluster"
    subject = f"access {what}" + (f" ({namespace})" if namespace else "")
    async with limit:
        denied = await _denied(client, VERBS, resource.group, resource.plural, namespace)
    if isinstance(denied, Exception):
        return _unanswered(subject, denied)
    if not denied:
        message = f"{', '.join(VERBS)} {where}"
        return Finding(subject=subject, level=Level.OK, message=message)
    if not set(denied) & set(_NEEDED):
        level = Level.NOTE
    else:
        level = Level.DEGRADED if resource.optional else Level.MISSING
    return Finding(
        subject=subject,
        level=level,
        message=f"not allowed {where}: {', '.join(denied)}",
        advice=_grant(what, namespace),
    )


async def _denied(
    client: Client, verbs: Sequence[str], group: str, plural: str, namespace: str, name: str = ""
) -> list[str] | Exception:
    """Which of the verbs are not allowed, or why that can't be said. Rules may name objects, but
    none can for ``create``: what is to be made has no name yet."""
    try:
        async with asyncio.timeout(_PATIENCE):
            answers = {
                verb: await client.allowed(
                    verb, group, plural, namespace, "" if verb == "create" else name
                )
                for verb in verbs
            }
    except (KubeError, *NETWORK_ERRORS) as error:
        return error
    return [verb for verb, answer in answers.items() if not answer.allowed]


def _unanswered(subject: str, error: Exception) -> Finding:
    if not isinstance(error, ForbiddenError):
        return _missing(subject, f"no answer: {describe(error)}", "look at the API server")
    return Finding(
        subject=subject,
        level=Level.DEGRADED,
        message="the account may not ask what it is allowed to",
        advice="bind the ClusterRole system:basic-user to it, as clusters do by default",
    )


async def _lease(client: Client, settings: Settings, *, in_pod: bool) -> list[Finding]:
    """Whether the watermark can be kept, where there is to be one."""
    subject = f"access leases.{leases.GROUP}"
    try:
        claim = configured(settings.lease, in_pod=in_pod, ledger=bool(settings.ledger.path))
    except ConfigError as error:
        return [_missing(subject, str(error), "set lease.namespace")]
    if claim is None:
        return []
    denied = await _denied(
        client, leases.VERBS, leases.GROUP, "leases", claim.namespace, claim.name
    )
    if isinstance(denied, Exception):
        return [_unanswered(subject, denied)]
    where = f"in namespace {claim.namespace}"
    if not denied:
        message = f"{', '.join(leases.VERBS)} {where}"
        return [Finding(subject=subject, level=Level.OK, message=message)]
    return [
        Finding(
            subject=subject,
            level=Level.DEGRADED,
            message=f"not allowed {where}: {', '.join(denied)}; what ends while no daemon is there"
            " will not be counted",
            advice=grant(claim.namespace),
        )
    ]


async def _reviews(client: Client, settings: Settings) -> list[Finding]:
    """Whether tokens can be reviewed, where they are to be."""
    if settings.authentication.tokens != "review":
        return []
    findings = []
    for rule in review_rules():
        (group,), (plural,), verbs = rule["apiGroups"], rule["resources"], rule["verbs"]
        subject = f"access {plural}.{group}"
        denied = await _denied(client, verbs, group, plural, "")
        if isinstance(denied, Exception):
            findings.append(_unanswered(subject, denied))
        elif denied:
            message = f"not allowed: {', '.join(denied)}; nobody is let in by a token"
            findings.append(_missing(subject, message, _REVIEWER))
        else:
            findings.append(Finding(subject=subject, level=Level.OK, message=", ".join(verbs)))
    return findings


def _grant(what: str, namespace: str) -> str:
    role, scope = ("role", f" --namespace={namespace}") if namespace else ("clusterrole", "")
    return (
        f"kubectl create {role} argoscope-{what.partition('.')[0]} --verb={','.join(VERBS)}"
        f" --resource={what}{scope}, and bind it to the account"
    )


async def _otlp(settings: OtlpSettings | None, problems: list[str]) -> Finding:
    """Sends an empty export, which every receiver accepts, over the exporter's own transport."""
    if problems:
        return _missing("otlp", "; ".join(problems), "correct the environment variables")
    if settings is None:
        return Finding(
            subject="otlp",
            level=Level.NOTE,
            message="no endpoint is configured",
            advice="nothing, if Prometheus scrapes; else set OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    subject = "otlp" if settings.signal is Signal.METRICS else "otlp traces"
    parts = urlsplit(settings.endpoint)
    where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    try:
        carrier = transport(settings)
    except OSError as error:
        return _missing(subject, f"certificates: {error}", "correct the paths of the PEM files")
    try:
        async with asyncio.timeout(settings.timeout):
            outcome = await carrier.send(b"")
    except TimeoutError:
        outcome = None
    finally:
        await carrier.close()
    if outcome is not None and not outcome.reason:
        message = f"{where} accepts {settings.signal} ({settings.protocol})"
        return Finding(subject=subject, level=Level.OK, message=message)
    reason = outcome.reason if outcome is not None else "timeout"
    detail = f": {outcome.detail}" if outcome is not None and outcome.detail else ""
    advice = _OTLP_ADVICE[reason]
    if settings.signal is Signal.TRACES and reason == "rejected":
        advice = "OTEL_TRACES_EXPORTER=none, if it is to have metrics only; else check the path"
    message = f"{where} does not take {settings.signal}: {reason}{detail}"
    return _missing(subject, message, advice)


_OTLP_ADVICE = {
    "connection": "check the host, the port and TLS; http/protobuf listens on 4318, grpc on 4317",
    "timeout": "check the network path; http/protobuf listens on 4318, grpc on 4317",
    "unauthorized": "set the token in OTEL_EXPORTER_OTLP_HEADERS",
    "throttled": "the receiver asks to send less: lengthen OTEL_METRIC_EXPORT_INTERVAL",
    "unavailable": "the receiver is there but not ready: look at its log",
    "rejected": "check the path and OTEL_EXPORTER_OTLP_PROTOCOL; the receiver must take metrics",
    "partial": "the receiver threw points away: look at its log",
    "server_error": "look at the receiver's log",
}


def to_json(findings: Sequence[Finding]) -> str:
    return msgspec.json.format(msgspec.json.encode(findings)).decode()


_STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.DEGRADED: "yellow", Level.MISSING: "red"}


def print_table(findings: Sequence[Finding], console: Console | None = None) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.level]
        text = Text(finding.message)
        if finding.advice:
            text.append(
                f"\n→ {finding.advice}", style="" if finding.level is Level.NOTE else "bold"
            )
        table.add_row(Text(finding.level, style=style), Text(finding.subject), text)
    (console or Console()).print(table)
