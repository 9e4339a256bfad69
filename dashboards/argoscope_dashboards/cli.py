"""``argoscope-dashboards``: lists the dashboards, and builds them for a Grafana."""

import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from argoscope_dashboards._dashboard import Dashboard

_FORMATS = ("json", "configmap", "grafana-operator")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Grafana dashboards for what argoscope measures.

    Without options they are the files that come with argoscope; build them for another name of the
    cluster's label, for another data source, or as Kubernetes resources.
    """


@main.command("list")
def list_command() -> None:
    """List the dashboards: uid, title, and the questions that they answer."""
    for dashboard in _dashboards():
        click.echo(f"{dashboard.uid:26} {dashboard.title:24} {dashboard.description}")


@main.command("build")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("argoscope-dashboards"),
    show_default=True,
    metavar="DIR",
    help="Directory to write to; made when it is missing.",
)
@click.option(
    "--datasource", default="", metavar="UID", help="Data source that is chosen at first."
)
@click.option(
    "--cluster-label",
    default="cluster",
    show_default=True,
    metavar="L",
    help="Label that tells clusters apart, where one Prometheus has several.",
)
@click.option(
    "--folder",
    default="",
    metavar="F",
    help="Grafana's folder; for json a directory of that name. Resources default to argoscope.",
)
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="json", show_default=True)
def build_command(out: Path, datasource: str, cluster_label: str, folder: str, kind: str) -> None:
    """Write the dashboards: JSON to import, ConfigMaps for Grafana's sidecar, or resources for the
    Grafana operator."""
    _check(cluster_label, folder)
    dashboards = _dashboards()
    from argoscope_alerts.config import Config, ConfigError
    from argoscope_dashboards._dashboard import Options
    from argoscope_dashboards._formats import FORMATS

    try:
        config = Config(cluster_label=cluster_label)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--cluster-label") from error
    options = Options(datasource=datasource)
    for dashboard in dashboards:
        name, text = FORMATS[kind](dashboard.uid, dashboard.render(config, options), folder)
        _write(out / name, text)
    click.echo(f"{len(dashboards)} dashboards are in {out}. {_NEXT[kind].format(out=out)}")


_NEXT = {
    "json": "Import them in Grafana under Dashboards, New, Import.",
    "configmap": "kubectl apply -n <Grafana's namespace> -f {out}; the sidecar must be enabled.",
    "grafana-operator": "kubectl apply -f {out}; the Grafana needs the label dashboards: grafana.",
}


def _check(cluster_label: str, folder: str) -> None:
    if not cluster_label.isidentifier() or not cluster_label.isascii():
        raise click.BadParameter(
            f"{cluster_label!r} is no label name: letters, digits and _ are allowed",
            param_hint="--cluster-label",
        )
    if folder.startswith("/") or ".." in Path(folder).parts:
        raise click.BadParameter("a name, not a path", param_hint="--folder")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{path} can't be written: {error.strerror}. Choose another directory with --out."
        ) from error


def _dashboards() -> "tuple[Dashboard, ...]":
    if find_spec("grafanalib") is None:
        click.echo(
            "The dashboards are built with grafanalib, which is not installed:\n\n"
            "  pip install 'argoscope[kit]'\n\n"
            f"Built ones, to import as they are: {files('argoscope') / '_kit' / 'dashboards'}",
            err=True,
        )
        sys.exit(2)
    from argoscope_dashboards._load import load

    return load()


if __name__ == "__main__":
    main()
