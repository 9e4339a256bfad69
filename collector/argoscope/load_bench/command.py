"""The ``argoscope bench`` commands."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import yaml
from kubernetes.config import ConfigException, list_kube_config_contexts
from rich.console import Console

from argoscope._options import Seconds
from argoscope.kube.client import Client
from argoscope.kube.config import KubeConfig
from argoscope.load_bench import report
from argoscope.load_bench.cleanup import LeftoversError, clean
from argoscope.load_bench.plan import RUN_LABEL, Kind, Plan, collection
from argoscope.load_bench.running import BenchError, Done, bench, run_id

INTERRUPTED = 130
REFUSED = 2
IMAGES = ("busybox:1.37", "busybox:1.36")


@click.group("bench")
def bench_command() -> None:
    """Load a cluster with Workflows or Rollouts and measure how fast they converge.

    Users at the same time create objects, wait for a conclusive phase of each (Succeeded, Failed,
    Error; Healthy, Degraded, Paused until a person goes on), and go on with the next one. At the
    end, on Ctrl-C and after a failure everything that was made is deleted again.
    """


def _options(options: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_CLUSTER = [
    click.option(
        "--context",
        metavar="NAME",
        help="Context of the kubeconfig. There is no default: this makes and deletes objects.",
    ),
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="By default KUBECONFIG or ~/.kube/config.",
    ),
    click.option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="Must exist; by default the context's, or default.",
    ),
]

_LOAD = [
    click.option(
        "--count",
        type=click.IntRange(1, 1_000_000),
        default=100,
        show_default=True,
        help="Objects to create.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 10_000),
        default=10,
        show_default=True,
        help="Users at the same time, each with one object that is under way.",
    ),
    click.option(
        "--timeout",
        type=Seconds(min=1.0),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="For one object to reach a conclusive phase.",
    ),
    click.option(
        "--seconds",
        type=Seconds(min=0.0),
        default=1.0,
        show_default=True,
        help="How long each step takes.",
    ),
    click.option(
        "--image",
        "images",
        multiple=True,
        metavar="IMAGE",
        default=IMAGES[:1],
        show_default=True,
        help="Needs a shell.",
    ),
    click.option(
        "--service-account", default="", metavar="NAME", help="Of the pods; by default default."
    ),
    click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="What is printed at the end.",
    ),
    click.option("--out", metavar="FILE", help="Write the JSON to this file too."),
]


@bench_command.command("workflows")
@_options(_CLUSTER)
@_options(_LOAD)
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Steps of each Workflow, one after the other; each is a pod.",
)
def workflows_command(**given: Any) -> None:
    """Create Workflows, and measure until they have ended.

    \b
        argoscope bench workflows --context staging -n bench --count 500 --concurrency 50
    """
    _bench("workflows", **given)


@bench_command.command("rollouts")
@_options(_CLUSTER)
@_options(_LOAD)
@click.option(
    "--steps",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="Steps of each canary: a weight, and a pause of --seconds.",
)
@click.option(
    "--releases",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Updates of each Rollout after its creation; repeated --image are taken in turn.",
)
@click.option(
    "--replicas", type=click.IntRange(1, 1000), default=1, show_default=True, help="Of each."
)
def rollouts_command(**given: Any) -> None:
    """Create Rollouts, release new versions, and measure until each release has converged.

    \b
        argoscope bench rollouts --context staging -n bench --count 100 --releases 3
    """
    _bench("rollouts", **given)


@bench_command.command("clean")
@_options(_CLUSTER)
@click.option("--run", default="", metavar="ID", help="Only of that run; by default of all runs.")
def clean_command(
    context: str | None, kubeconfig: str | None, namespace: str | None, run: str
) -> None:
    """Delete what runs have left in a namespace, such as after kill -9."""
    paths, context, namespace = _named(context, kubeconfig, namespace)
    selector = f"{RUN_LABEL}={run}" if run else RUN_LABEL

    async def cleaned() -> dict[str, int]:
        kinds: tuple[Kind, ...] = ("workflows", "rollouts")
        async with Client(KubeConfig(paths, context)) as client:
            return {
                kind: await clean(client, collection(kind, namespace), selector, lambda _: None)
                for kind in kinds
            }

    try:
        for kind, count in asyncio.run(cleaned()).items():
            click.echo(f"deleted {count} {kind}")
    except LeftoversError as error:
        raise click.ClickException(f"not everything could be deleted: {error}") from error


def _bench(
    kind: Kind,
    *,
    context: str | None,
    kubeconfig: str | None,
    namespace: str | None,
    form: str,
    out: str | None,
    **numbers: Any,
) -> None:
    paths, context, namespace = _named(context, kubeconfig, namespace)
    if out:
        _writable(out)
    plan = Plan(kind=kind, run=run_id(), namespace=namespace, **numbers)
    click.echo(
        f"Run {plan.run}: {plan.count} {kind} in namespace {namespace} of context {context},"
        f" labelled {plan.selector}",
        err=True,
    )

    async def run() -> Done:
        async with Client(KubeConfig(paths, context)) as client:
            return await bench(client, plan)

    try:
        done = asyncio.run(run())
    except BenchError as error:
        _refuse(str(error))
    _tell(done, form, out)
    if done.leftovers:
        click.echo(
            f"argoscope: not everything was deleted: {done.leftovers}. To do it later:\n"
            f"  argoscope bench clean --context {context} -n {namespace} --run {plan.run}",
            err=True,
        )
    if done.interrupted:
        sys.exit(INTERRUPTED)
    well = done.summary is not None and report.all_well(done.summary)
    sys.exit(0 if well and not done.leftovers else 1)


def _tell(done: Done, form: str, out: str | None) -> None:
    if done.summary is not None:
        text = json.dumps(done.summary, indent=2)
        if out:
            Path(out).write_text(text + "\n", encoding="utf-8")
        if form == "json":
            click.echo(text)
        else:
            report.print_table(done.summary, Console())
    if done.problem:
        click.echo(f"argoscope: the run ended early: {done.problem}", err=True)


def _writable(out: str) -> None:
    """Better refused now than after an hour."""
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        with Path(out).open("a", encoding="utf-8"):
            pass
    except OSError as error:
        _refuse(f"--out {out}: {error.strerror}")


def _named(
    context: str | None, kubeconfig: str | None, namespace: str | None
) -> tuple[str, str, str]:
    """Kubeconfig, context and namespace; ends the process where a person must be explicit."""
    default = str(Path.home() / ".kube" / "config")
    paths = kubeconfig or os.environ.get("KUBECONFIG") or default
    try:
        contexts, _ = list_kube_config_contexts(paths)  # type: ignore[no-untyped-call]
    except (ConfigException, yaml.YAMLError, OSError, KeyError, TypeError) as error:
        _refuse(f"kubeconfig {paths}: {str(error).rstrip('.')}. Name a file with --kubeconfig")
    known = {one["name"]: one.get("context") or {} for one in contexts}
    names = ", ".join(sorted(known)) or "none"
    if context is None:
        _refuse(
            "--context is missing. bench makes and deletes objects by the hundred, so it does not"
            f" take the current context, which may be production. Contexts in {paths}: {names}"
        )
    if context not in known:
        _refuse(f"no context {context!r} in {paths}. There are: {names}")
    return paths, context, namespace or known[context].get("namespace") or "default"


def _refuse(problem: str) -> NoReturn:
    click.echo(f"argoscope: {problem}", err=True)
    sys.exit(REFUSED)
