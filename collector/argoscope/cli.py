"""The command line. Each command imports what it needs when it runs, so that help is instant."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from argoscope import __version__

CONFIG_ERROR = 2
"""Exit code for wrong settings and for credentials that are missing: nothing was started."""
NESTING = 10_500
"""Levels that can be decoded: API servers take objects that are nested 10,000 deep."""

_LAZY = {
    "bench": (
        "argoscope.load_bench.command:bench_command",
        "Load a cluster with Workflows or Rollouts, and measure how fast they converge.",
    ),
    "demo": (
        "argoscope.demo.command:demo_command",
        "Show the daemon at work on a simulated cluster, without Kubernetes.",
    ),
    "explain": (
        "argoscope.explain.command:explain_command",
        "Say why a run took as long as it did: critical path, causes, advice.",
    ),
    "import": (
        "argoscope.history_import.command:import_command",
        "Fill a ledger with past runs, from Argo's workflow archive or from files.",
    ),
    "inspect": (
        "argoscope.inspect.command:inspect_command",
        "Derive the metrics from objects in files.",
    ),
    "ledger": (
        "argoscope.ledger.command:ledger_command",
        "Look into a ledger: run records as JSON lines or CSV, size, damage.",
    ),
    "simulate": (
        "argoscope.simulator.command:simulate_command",
        "Serve a cluster that exists only in memory, for kubectl and any other client.",
    ),
}


class _Group(click.Group):
    """A group some of whose commands are imported only when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LAZY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LAZY:
            return super().get_command(ctx, cmd_name)
        module, _, name = _LAZY[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = {name: text for name, (_, text) in _LAZY.items()}
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None and not command.hidden:
                rows[name] = command.get_short_help_str(80)
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="argoscope")
def main() -> None:
    """Why is my workflow slow, and did my cron run? Metrics from Argo's own objects."""
    sys.setrecursionlimit(NESTING)


def _setting(path: str, **kwargs: Any) -> Callable[[Any], Any]:
    """An option for a setting; what it means is written in settings.py."""
    from argoscope import settings

    leaf = settings.leaves()[path]
    help_text = f"{settings.documentation(path)} [env {leaf.env}]".replace("`", "")
    if leaf.default:
        help_text = f"{help_text[:-1]}; default {leaf.default}]"
    return click.option(settings.FLAGS[path], path.replace(".", "__"), help=help_text, **kwargs)


def _cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of the commands that talk to a cluster."""
    for option in reversed(
        [
            click.option(
                "--config",
                metavar="FILE",
                envvar="ARGOSCOPE_CONFIG",
                help="YAML file with settings; flags and environment win over it."
                " [env ARGOSCOPE_CONFIG]",
            ),
            _setting("namespaces", multiple=True, metavar="NAME"),
            _setting("selector", metavar="SELECTOR"),
            _setting("kubeconfig", metavar="FILE"),
            _setting("context", metavar="NAME"),
            _setting("log.level", metavar="LEVEL"),
            _setting("log.format", metavar="FORMAT"),
        ]
    ):
        command = option(command)
    return command


def _load(config: str | None, flags: dict[str, Any]) -> Any:
    """The settings; ends the process with all problems if there are any."""
    from argoscope import settings

    given = {
        path.replace("__", "."): value
        for path, value in flags.items()
        if value is not None and value != ()
    }
    try:
        return settings.load(config, os.environ, given)
    except settings.SettingsError as error:
        fail(*map(str, error.problems))


def fail(*problems: str) -> None:
    """Prints what is wrong with the configuration and ends the process."""
    for problem in problems:
        click.echo(f"argoscope: {problem}", err=True)
    sys.exit(CONFIG_ERROR)


@main.command("run")
@_setting("listen", metavar="HOST:PORT")
@_cluster_options
@_setting("cluster", metavar="NAME")
@_setting("ledger.path", metavar="PATH")
@_setting("sharding.shards", metavar="N")
@_setting("sharding.shard", metavar="auto|K")
def run_command(config: str | None, **flags: Any) -> None:
    """Watch a cluster and serve its metrics."""
    settings = _load(config, flags)
    from argoscope import logs, start

    logs.configure(settings.log)
    try:
        start.main(settings, os.environ)
    except start.StartError as error:
        fail(*error.problems)


@main.command("doctor")
@_cluster_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or findings for machines.",
)
def doctor_command(config: str | None, form: str, **flags: Any) -> None:
    """Check what the daemon needs: cluster, kinds, permissions, OTLP endpoint.

    Exits with 1 if something that is required is missing.
    """
    settings = _load(config, flags)
    from argoscope import doctor, logs

    logs.configure(settings.log)
    findings = doctor.main(settings, os.environ)
    if form == "json":
        click.echo(doctor.to_json(findings))
    else:
        doctor.print_table(findings)
    sys.exit(1 if any(finding.level is doctor.Level.MISSING for finding in findings) else 0)


@main.command("metrics")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="markdown is what docs/metrics.md holds.",
)
def metrics_command(form: str) -> None:
    """List every metric with its labels and what it answers."""
    from argoscope import reference

    if form == "markdown":
        click.echo(reference.metrics_markdown(), nl=False)
    elif form == "json":
        click.echo(reference.metrics_json())
    else:
        reference.print_metrics()


@main.command("settings")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "yaml", "markdown"]),
    default="table",
    show_default=True,
    help="yaml is a complete file; markdown is what docs/configuration.md holds.",
)
def settings_command(form: str) -> None:
    """List every setting with its default and meaning."""
    from argoscope import reference

    if form == "markdown":
        click.echo(reference.configuration_markdown(), nl=False)
    elif form == "yaml":
        click.echo(reference.settings_yaml(), nl=False)
    else:
        reference.print_settings()
