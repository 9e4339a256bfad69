"""The ``argoscope explain`` command."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from io import TextIOWrapper

import click
import msgspec

from argoscope.advice.advising import all_rules
from argoscope.explain.advice import advice
from argoscope.explain.asking import Explanation, History, NothingToExplainError, Question, explain
from argoscope.explain.objects import Collector, Objects
from argoscope.inspect.problems import Problems
from argoscope.inspect.reading import read
from argoscope.ledger.errors import LedgerError
from argoscope.settings import Settings, SettingsError, load


@click.command("explain")
@click.argument("name", required=False, metavar="[NAMESPACE/NAME]")
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    metavar="FILE",
    help="Take the objects from a file instead of the cluster: what `inspect` takes, or - for"
    " standard input; repeatable. Best the workflow with its pods and events in one List.",
)
@click.option("--pipeline", default="", metavar="NAME", help="Explain a pipeline's last runs.")
@click.option(
    "--last",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many runs of a pipeline, and how many a run is compared with.",
)
@click.option(
    "--ledger",
    default="",
    metavar="PATH",
    help="A daemon's ledger: compare with the past runs that it has recorded.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="To read; for machines (an object a run, of several an array); one file for a browser.",
)
@click.option(
    "--prometheus",
    default="",
    metavar="URL",
    help="A Prometheus with cAdvisor's metrics: judge requests by what was used.",
)
@click.option(
    "--silence",
    "silenced",
    multiple=True,
    metavar="RULE",
    help="Leave this advice out; repeatable. docs/advice.md lists the rules.",
)
@click.option("--namespace", "-n", default="", metavar="NAME", help="Of a NAME without one.")
@click.option(
    "--config",
    metavar="FILE",
    envvar="ARGOSCOPE_CONFIG",
    help="The daemon's settings: names of pipelines and silenced advice are taken from it, and from"
    " the environment.",
)
@click.option("--kubeconfig", default="", metavar="FILE", help="By default what kubectl takes.")
@click.option("--context", default="", metavar="NAME", help="Of the kubeconfig.")
@click.option(
    "--pipeline-label",
    "labels",
    multiple=True,
    metavar="KEY",
    help="Workflow label or annotation that names the pipeline; repeatable.",
)
def explain_command(
    name: str | None,
    files: tuple[str, ...],
    pipeline: str,
    last: int,
    ledger: str,
    form: str,
    prometheus: str,
    silenced: tuple[str, ...],
    namespace: str,
    config: str | None,
    kubeconfig: str,
    context: str,
    labels: tuple[str, ...],
) -> None:
    """Say why a run took as long as it did: its critical path, divided among causes.

    \b
        argoscope explain ci/build-x7k2p
        argoscope explain --pipeline ci/build --last 20
        kubectl get workflows,pods,events -n ci -o json | argoscope explain --file -
        argoscope explain ci/build-x7k2p --format html > build.html

    Exits with 1 if there is nothing to explain, with 2 if it is not asked in the right way.
    """
    given = _settings(config)
    question = _question(name, namespace, pipeline, last, labels or given.labels.pipeline)
    known = {rule.id for rule in all_rules()}
    if unknown := [rule for rule in silenced if rule not in known]:
        near = get_close_matches(unknown[0], known, n=1)
        more = f": did you mean {near[0]}?" if near else ", docs/advice.md lists them"
        raise click.UsageError(f"no advice is called {unknown[0]}{more}")
    silenced = (*silenced, *given.advice.silenced)
    problems = Problems()
    try:
        now = 0.0
        if files:
            objects = _from_files(files, problems)
        else:
            objects, now = _from_cluster(question, kubeconfig, context, problems)
        found = explain(objects, question, _history(ledger, last), now, problems)
        for each in found:
            each.answer.advice = advice(each, objects, prometheus, silenced, problems)
    except (NothingToExplainError, LedgerError) as error:
        problems.close({})
        raise click.ClickException(str(error)) from error
    problems.close({})
    _print(found, question, form)


def _settings(config: str | None) -> Settings:
    try:
        return load(config, os.environ)
    except SettingsError as error:
        raise click.UsageError("; ".join(map(str, error.problems))) from error


def _question(
    name: str | None, namespace: str, pipeline: str, last: int, labels: tuple[str, ...]
) -> Question:
    if name and pipeline:
        raise click.UsageError("either a run or a pipeline, not both")
    before, slash, own = (name or pipeline).rpartition("/")
    if slash and namespace and before != namespace:
        raise click.UsageError(f"two namespaces: {before} and {namespace}")
    return Question(
        namespace=before or namespace,
        name=own if name else "",
        pipeline=own if pipeline else "",
        last=last,
        labels=labels,
    )


def _from_files(files: Sequence[str], problems: Problems) -> Objects:
    collector = Collector(problems)
    for path in files:
        try:
            for item in read(path, problems):
                collector.add(item)
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from error
    return collector.objects


def _from_cluster(
    question: Question, kubeconfig: str, context: str, problems: Problems
) -> tuple[Objects, float]:
    """The objects, and the time (Unix seconds) of the cluster."""
    if not question.name and not question.pipeline:
        raise click.UsageError(
            "name a run (NAMESPACE/NAME), a pipeline (--pipeline NAME) or a file (--file FILE)"
        )
    from argoscope.explain import cluster  # not for files: its imports take a third of a second

    return cluster.fetch(question, kubeconfig, context, problems), cluster.now()


def _history(ledger: str, most: int) -> History:
    if not ledger:
        return lambda _namespace, _pipeline: ()
    from argoscope.explain.past_runs import from_ledger

    return partial(from_ledger, ledger, most=most)


def _print(found: list[Explanation], question: Question, form: str) -> None:
    answers = [each.answer for each in found]
    if form == "json":
        several = len(answers) > 1 or bool(question.pipeline)
        encoded = msgspec.json.encode(answers if several else answers[0])
        _write(msgspec.json.format(encoded, indent=2) + b"\n")
    elif form == "html":
        from argoscope.explain.page import page

        _write(page(found).encode())
    else:
        from rich.console import Console

        from argoscope.explain.terminal import render

        if isinstance(sys.stdout, TextIOWrapper):
            # Bars and names need more characters than the encodings of some terminals have.
            sys.stdout.reconfigure(errors="replace")
        console = Console()
        if not console.is_terminal:  # into a file or pipe: names must not be cut to 80 columns
            console.width = 140
        render(answers, console)


def _write(utf8: bytes) -> None:
    """Whatever the terminal's encoding is: JSON has to be UTF-8, and the page says that it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(utf8)
    sys.stdout.flush()
