"""Rollouts and their analyses."""

from collections import Counter

from support.recount.lines import Labels, Line, Lines, Samples

PHASES = ("Healthy", "Progressing", "Paused", "Degraded")


class Releases:
    """Counts from the lines of one scenario."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def _samples(self, what: str, label: str) -> Samples:
        found = Samples()
        for line in self._lines.of(what):
            found.add((*_rollout(line), line[label]), line["seconds"])
        return found

    def ended(self) -> Samples:
        return self._samples("rollout_ended", "result")

    def aborted(self) -> Counter[Labels]:
        return Counter(
            (*_rollout(line), line["cause"])
            for line in self._lines.of("rollout_ended")
            if line["result"] == "aborted"
        )

    def steps(self) -> Samples:
        return self._samples("rollout_step", "type")

    def pauses(self) -> Samples:
        return self._samples("rollout_pause", "cause")

    def converged(self) -> Samples:
        return self._samples("rollout_converged", "phase")

    def analyses(self) -> Samples:
        return self._samples("analysis_run", "phase")

    # Gauges, at the time of the last line

    def _last(self, what: str) -> dict[Labels, Line]:
        found: dict[Labels, Line] = {}
        for line in self._lines.all:
            if line["what"] == what:
                found[_rollout(line)] = line
            elif line["what"] == "rollout_gone":
                found.pop(_rollout(line), None)
        return found

    def phases(self) -> dict[Labels, float]:
        return {(*r, line["phase"]): 1.0 for r, line in self._last("rollout_phase").items()}

    def phases_since(self) -> dict[Labels, float]:
        return {r: line["t"] for r, line in self._last("rollout_phase").items()}

    def weights(self) -> dict[Labels, float]:
        found = {}
        for r, line in self._last("rollout_weight").items():
            found[(*r, "canary")] = float(line["canary"])
            found[(*r, "stable")] = 100.0 - line["canary"]
        return found


def _rollout(line: Line) -> Labels:
    return (line["namespace"], line["rollout"])
