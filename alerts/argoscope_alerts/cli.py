"""The command `argoscope-alerts`: which rules there are, and the files to install."""

import sys
from pathlib import Path
from typing import Any, NoReturn, get_args

import click
import yaml

from argoscope_alerts import render
from argoscope_alerts._load import load
from argoscope_alerts._rule import Alert
from argoscope_alerts.config import DEFAULT, Config, ConfigError, read_thresholds


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Recording and alerting rules for Argo, made of argoscope's metrics."""


@main.command("list")
def list_command() -> None:
    """List every alert with its severity and what must happen for it to fire."""
    for group in load():
        alerts = [rule for rule in group.built(DEFAULT) if isinstance(rule, Alert)]
        if alerts:
            click.echo(f"{group.title}")
        for alert in alerts:
            click.echo(f"  {alert.name:32} {alert.severity:9} {alert.happens}")


@main.command("build")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; else stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(render.Format)),
    default="rules",
    show_default=True,
    help="A rule file of Prometheus, or a resource of its operator.",
)
@click.option(
    "--cluster-label",
    default=DEFAULT.cluster_label,
    show_default=True,
    help="Label that tells clusters apart; empty for none.",
)
@click.option("--grafana-url", default=DEFAULT.grafana_url, show_default=True)
@click.option("--runbooks-url", default=DEFAULT.runbooks_url, show_default=True)
@click.option(
    "--thresholds",
    type=click.Path(path_type=Path),
    help="YAML file of alerts and their limits for all that have none of their own.",
)
def build_command(
    out: Path | None, form: render.Format, thresholds: Path | None, **options: Any
) -> None:
    """Write the rules."""
    try:
        config = _config(thresholds, options)
    except ConfigError as error:
        _fail(*error.problems)
    if out is None:
        click.echo(render.rendered(form, config), nl=False)
        return
    try:
        for path in render.write(out, (form,), config):
            click.echo(f"wrote {path}", err=True)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}; choose another --out")


def _config(thresholds: Path | None, options: dict[str, str]) -> Config:
    """Raises ConfigError with all problems."""
    limits = DEFAULT.thresholds
    if thresholds is not None:
        try:
            document = yaml.safe_load(thresholds.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError([f"{thresholds}: {error.strerror}"]) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            text = " ".join(str(error).split())
            raise ConfigError([f"{thresholds}: not YAML: {text}"]) from error
        limits = read_thresholds(document, str(thresholds))
    config = {name: url.rstrip("/") for name, url in options.items()}
    return Config(thresholds=limits, **config)


def _fail(*problems: str) -> NoReturn:
    for problem in problems:
        click.echo(f"argoscope-alerts: {problem}", err=True)
    sys.exit(2)
