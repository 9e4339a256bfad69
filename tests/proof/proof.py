"""Proves every panel and every rule against a real Prometheus that holds the simulated cluster.

    make proof
    make proof ARGS="--only quiet --only crons"
    make proof ARGS="--then COMMAND"        # while it is served; docs/dashboards.md has an example

Progress goes to stderr, a table to stdout, out/proof/report.md and report.json have everything.
Exits with 1 on any defect. Time is virtual and seeded: each time it is the same.
"""

import argparse
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

# As a script, its own folder would hide the package of this name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import structlog  # noqa: E402
import yaml  # noqa: E402

from proof import report  # noqa: E402
from proof.panels import ALL, Screen, dashboards  # noqa: E402
from proof.playing import Play, Played, play  # noqa: E402
from proof.plays import plays  # noqa: E402
from proof.prometheus import Prometheus, serving  # noqa: E402
from proof.remote_write import Writer  # noqa: E402
from proof.rules import Outcome, evaluate, in_order  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
END = 1_764_158_400.0
"""When every scenario ends: a Wednesday in November 2025, 12:00 UTC."""
RULES_SECONDS = 6.5 * 3600.0
"""How long before the end alerts are evaluated."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], help="play only these; no verdict")
    parser.add_argument("--now", action="store_true", help="end now, for pictures; no verdict")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "proof")
    parser.add_argument("--then", default="", help="shell command, told PROMETHEUS and END")
    options = parser.parse_args()
    chosen = [one for one in plays() if not options.only or one.name in options.only]
    end = time.time() // 300.0 * 300.0 if options.now else END
    try:
        with serving() as server:
            found = _prove(server, chosen, end)
            if options.then:
                told = {"PROMETHEUS": server.address, "END": f"{end:.0f}"}
                subprocess.run(options.then, shell=True, check=True, env={**os.environ, **told})
    except FileNotFoundError as error:
        _say(str(error))
        return 2
    report.write(found, options.out)
    sys.stdout.write(report.table(found))
    _say(f"the whole report: {options.out / 'report.md'}")
    # What crons do by the clock would have the verdict hang on when it is asked for.
    return 1 if found.defects() and not (options.only or options.now) else 0


def _prove(server: Prometheus, chosen: list[Play], end: float) -> report.Report:
    began = time.perf_counter()
    played = _play_all(server.address, chosen, end)
    played_in = time.perf_counter() - began
    outcomes = _rules(server, end)
    screens = _panels(server, [one.name for one in chosen], end)
    _say(f"played in {played_in:.0f} s, everything in {time.perf_counter() - began:.0f} s")
    return report.Report(chosen, played, outcomes, screens)


def _play_all(address: str, chosen: list[Play], end: float) -> list[Played]:
    done: list[Played] = []
    with ProcessPoolExecutor(2, initializer=_quietly) as pool:
        waiting = [pool.submit(play, one, address, end) for one in chosen]
        for number, future in enumerate(as_completed(waiting), 1):
            one = future.result()
            done.append(one)
            hours = one.virtual / 3600.0
            _say(f"{number}/{len(chosen)} {one.name}: {hours:.1f} h played in {one.took:.1f} s")
    return sorted(done, key=lambda one: one.name)


def _quietly() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _rules(server: Prometheus, end: float) -> list[Outcome]:
    text = (ROOT / "alerts" / "rendered" / "argoscope.rules.yaml").read_text()
    rules = in_order(yaml.safe_load(text)["groups"])
    writer = Writer(server.address)
    outcomes = []
    began = time.perf_counter()
    for outcome in evaluate(server, writer, rules, end - RULES_SECONDS, end):
        outcomes.append(outcome)
        if len(outcomes) % 20 == 0 or len(outcomes) == len(rules):
            _say(f"{len(outcomes)}/{len(rules)} rules ({time.perf_counter() - began:.0f} s)")
    writer.close()
    return outcomes


def _panels(server: Prometheus, clusters: list[str], end: float) -> list[Screen]:
    screens = []
    for dashboard in dashboards(ROOT / "dashboards" / "rendered"):
        screen = Screen(server, dashboard, end)
        began = time.perf_counter()
        for cluster in (*clusters, ALL):
            screen.open(cluster)
        took = time.perf_counter() - began
        _say(f"{screen.title}: {len(screen.questions)} queries, {took:.1f} s")
        screens.append(screen)
    return screens


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
