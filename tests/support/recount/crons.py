"""Crons: what they made, missed and replaced, and what is due."""

from collections import Counter, defaultdict

from support.recount.lines import Labels, Line, Lines, Samples, workflow


class Crons:
    """Counts from the lines of one scenario."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def start_delays(self) -> Samples:
        found = Samples()
        started = {workflow(s): s["started"] for s in self._lines.of("workflow_started")}
        for run in self._lines.of("cron_run"):
            if workflow(run) in started:
                found.add(_cron(run), started[workflow(run)] - run["scheduled"])
        return found

    def missed(self) -> Counter[Labels]:
        made_up = {(*_cron(m), m["scheduled"]) for m in self._lines.of("made_up")}
        made = {(*_cron(r), r["scheduled"]) for r in self._lines.of("cron_run")}
        return Counter(
            (*_cron(m), m["why"])
            for m in self._lines.of("cron_missed")
            if (*_cron(m), m["scheduled"]) not in made_up | made
        )

    def replaced(self) -> Counter[Labels]:
        crons = {workflow(r): _cron(r) for r in self._lines.of("cron_run")}
        return Counter(crons[workflow(r)] for r in self._lines.of("replaced"))

    # Gauges, at the time of the last line

    def last_scheduled(self) -> dict[Labels, float]:
        found: dict[Labels, float] = {}
        for run in self._lines.of("cron_run"):
            found[_cron(run)] = max(found.get(_cron(run), 0.0), run["scheduled"])
        return found

    def active(self) -> Counter[Labels]:
        """Runs that were made and are not over."""
        over = {workflow(e) for e in self._lines.of("workflow_ended")}
        over |= {workflow(e) for e in self._lines.of("workflow_deleted")}
        return Counter(_cron(r) for r in self._lines.of("cron_run") if workflow(r) not in over)

    def _results(self) -> dict[Labels, list[tuple[float, float, str]]]:
        """(scheduled, finished, phase) of runs that ended by themselves, in the order in which
        they were due."""
        shut = self._lines.shut_down()
        runs = {workflow(r): r for r in self._lines.of("cron_run")}
        found: dict[Labels, list[tuple[float, float, str]]] = defaultdict(list)
        for end in self._lines.of("workflow_ended"):
            run = runs.get(workflow(end))
            if run is not None and workflow(end) not in shut:
                found[_cron(run)].append((run["scheduled"], end["finished"], end["phase"]))
        return {cron: sorted(results) for cron, results in found.items()}

    def last_success(self) -> dict[Labels, float]:
        return self._last(succeeded=True)

    def last_failure(self) -> dict[Labels, float]:
        return self._last(succeeded=False)

    def _last(self, *, succeeded: bool) -> dict[Labels, float]:
        found = {}
        for cron, results in self._results().items():
            ends = [f for _, f, phase in results if (phase == "Succeeded") is succeeded]
            if ends:
                found[cron] = ends[-1]
        return found

    def failures_in_a_row(self) -> dict[Labels, float]:
        found = {}
        for cron, results in self._results().items():
            streak = 0
            for _, _, phase in reversed(results):
                if phase == "Succeeded":
                    break
                streak += 1
            found[cron] = float(streak)
        return found

    def states(self) -> dict[Labels, Line]:
        """What the controller makes of each CronWorkflow that exists."""
        found: dict[Labels, Line] = {}
        for line in self._lines.all:
            if line["what"] == "cron_is":
                found[_cron(line)] = line
            elif line["what"] == "cron_gone":
                found.pop(_cron(line), None)
        return found

    def next_due(self) -> dict[Labels, float]:
        """When the controller will next ask whether to make a run, of those that are going on."""
        due = {_cron(d): d["at"] for d in self._lines.of("cron_due")}
        return {cron: at for cron, at in due.items() if self._goes_on(cron)}

    def due_after_success(self, future: Lines) -> dict[Labels, tuple[float, float]]:
        """The first time after the latest success, or since it goes on, at which a run was or is
        due, and the next one; 0 for what the controller never came to. ``future`` has the lines of
        later, too."""
        since = {}
        for line in reversed(self._lines.of("cron_is")):
            since[_cron(line)] = line["t"]
        good = self.last_success()
        found = {}
        for cron, begun in since.items():
            state = self.states().get(cron)
            if state is None or state["conditional"] or not self._goes_on(cron):
                continue
            after = max(good.get(cron, 0.0), begun)
            times = sorted({d["at"] for d in future.of("cron_due") if _cron(d) == cron})
            later = [*[at for at in times if at > after][:2], 0.0, 0.0]
            found[cron] = (later[0], later[1])
        return found

    def _goes_on(self, cron: Labels) -> bool:
        state = self.states().get(cron)
        stands = state is None or state["suspended"] or state["stopped"]
        return not stands and bool(state and state["readable"])


def _cron(line: Line) -> Labels:
    return (line["namespace"], line["cron"])
