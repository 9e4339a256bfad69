"""What the proof found: as a short table, as Markdown and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof.panels import Asked, Screen
from proof.playing import Play, Played
from proof.plays import PROVEN_BY, QUIET, WITHOUT_DATA
from proof.rules import Outcome


@dataclass
class Report:
    plays: list[Play]
    played: list[Played]
    rules: list[Outcome]
    screens: list[Screen]

    def questions(self) -> Iterator[Asked]:
        for screen in self.screens:
            for asked, _ in screen.questions:
                yield asked

    def defects(self) -> list[str]:
        """Each in a line; none: all is proven."""
        return [*self._panels(), *self._variables(), *self._rules()]

    def _panels(self) -> Iterator[str]:
        for asked in self.questions():
            where = f"{asked.dashboard}, {asked.panel}, {asked.number}"
            if asked.errors:
                yield f"{where}: {asked.errors[0]}"
            elif not _with_data(asked) and not _excused(asked):
                yield f"{where}: no data in any scenario: {asked.query}"

    def _variables(self) -> Iterator[str]:
        for screen in self.screens:
            for variable in screen.variables:
                if not any(variable.values.values()):
                    yield f"{screen.title}: no values for ${variable.name}: {variable.query}"

    def _rules(self) -> Iterator[str]:
        for rule in self.rules:
            if not rule.alert:
                if not rule.series:
                    yield f"{rule.name} records nothing in any scenario"
                continue
            if rule.firing.get(QUIET):
                yield f"{rule.name} fires in {QUIET}: {_shown(rule, QUIET)}"
            wanted = PROVEN_BY.get(rule.name)
            if wanted is None:
                fires = ", ".join(sorted(rule.firing)) or "nowhere"
                yield f"{rule.name} has no scenario in PROVEN_BY (fires in: {fires})"
            elif not rule.firing.get(wanted):
                fires = ", ".join(sorted(rule.firing)) or "nowhere"
                yield f"{rule.name} does not fire in {wanted}, which is made for it ({fires})"
        known = {rule.name for rule in self.rules if rule.alert}
        for name in sorted(set(PROVEN_BY) - known):
            yield f"PROVEN_BY names {name}, which is no alert"


def table(report: Report) -> str:
    lines = [f"{'dashboard':<18} queries  with data"]
    for screen in report.screens:
        asked = [one for one, _ in screen.questions]
        found = sum(bool(_with_data(one)) for one in asked)
        lines.append(f"{screen.title:<18} {len(asked):>7}  {found:>9}")
    alerts = [rule for rule in report.rules if rule.alert]
    records = [rule for rule in report.rules if not rule.alert]
    fired = sum(any(rule.firing.values()) for rule in alerts)
    quiet = sum(bool(rule.firing.get(QUIET)) for rule in alerts)
    recorded = sum(bool(rule.series) for rule in records)
    lines.append("")
    lines.append(f"alerts: {len(alerts)}, of which {fired} fire; in {QUIET}: {quiet}")
    lines.append(f"recording rules: {len(records)}, of which {recorded} give data")
    defects = report.defects()
    lines += ["", f"defects: {len(defects)}", *(f"  {one}" for one in defects)]
    return "\n".join(lines) + "\n"


def write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(_markdown(report))
    (folder / "report.json").write_text(json.dumps(_plain(report), indent=1))


def _markdown(report: Report) -> str:
    defects = report.defects()
    lines = ["# Proof against data", "", f"Defects: {len(defects)}", ""]
    lines += [f"* {one}" for one in defects]
    lines += ["", "## Scenarios", "", "| cluster | scenario | hours | scrapes | made up |"]
    lines.append("|---|---|---|---|---|")
    played = {one.name: one for one in report.played}
    for job in report.plays:
        one = played[job.name]
        hours = f"{one.virtual / 3600:.1f}"
        lines.append(
            f"| {job.name} | {job.scenario or job.name} | {hours} | {one.scrapes} | "
            f"{job.injected or 'nothing'} |"
        )
    lines += ["", "## Alerts", "", "| alert | proven by | fires in (alerts) |", "|---|---|---|"]
    for rule in report.rules:
        if rule.alert:
            fires = ", ".join(f"{name} ({len(one)})" for name, one in sorted(rule.firing.items()))
            lines.append(f"| {rule.name} | {PROVEN_BY.get(rule.name, '')} | {fires} |")
    lines += ["", "## Recording rules", "", "| record | data in |", "|---|---|"]
    for rule in report.rules:
        if not rule.alert:
            lines.append(f"| `{rule.name}` | {_clusters(rule.series)} |")
    for screen in report.screens:
        lines += ["", f"## {screen.title}", "", "| panel | query | data in |", "|---|---|---|"]
        for asked, _ in screen.questions:
            where = _excused(asked) or _clusters(asked.clusters)
            lines.append(f"| {asked.panel} | {asked.number} | {where} |")
        lines += ["", "| variable | values in |", "|---|---|"]
        lines += [f"| {one.name} | {_clusters(one.values)} |" for one in screen.variables]
    return "\n".join(lines) + "\n"


def _plain(report: Report) -> dict[str, Any]:
    return {
        "defects": report.defects(),
        "scenarios": {one.name: vars(one) for one in report.played},
        "alerts": {
            rule.name: {
                cluster: [dict(labels) for labels in sorted(found)]
                for cluster, found in rule.firing.items()
            }
            for rule in report.rules
            if rule.alert
        },
        "records": {rule.name: dict(rule.series) for rule in report.rules if not rule.alert},
        "queries": [vars(one) for one in report.questions()],
    }


def _excused(asked: Asked) -> str:
    title = asked.dashboard.removeprefix("Argo / ")
    return WITHOUT_DATA.get((title, asked.panel, asked.number), "")


def _with_data(asked: Asked) -> list[str]:
    return [cluster for cluster, found in asked.clusters.items() if found]


def _clusters(found: dict[str, int]) -> str:
    with_data = [name or "(none)" for name, count in sorted(found.items()) if count]
    return ", ".join(with_data) if with_data else "**nowhere**"


def _shown(rule: Outcome, cluster: str) -> str:
    return "; ".join(
        ", ".join(f"{name}={value}" for name, value in labels)
        for labels in sorted(rule.firing[cluster])[:3]
    )
