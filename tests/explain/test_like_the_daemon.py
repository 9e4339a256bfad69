"""What `explain` finds in the last versions of objects is what the daemon found watching them."""

from collections import Counter

from argoscope.explain.objects import Collector
from argoscope.explain.runs import explained
from argoscope.inspect.reading import read
from argoscope.inspect.replay import Replay
from argoscope.resources.world import EndedRun
from support.recordings import recording

GONE = {"lock", "queue", "approval", "prepare", "main", "init", "unknown", "gap"}
"""What only who watches can know: which lock held a run back, when it was suspended, and the times
of containers that an eviction or a deadline takes out of a pod's status."""


def test_recorded_runs_are_explained_as_the_daemon_attributes_them() -> None:
    items = list(read(str(recording("argo-4.1")), lambda *_: None))
    replay = Replay(now=0.0, complain=lambda *_: None)
    ended: dict[tuple[str, float], EndedRun] = {}

    def note(run: EndedRun) -> None:
        ended[run.line.uid, run.line.finished] = run

    replay.world.on_run_ended(note)
    replay.recorded(items)
    collector = Collector(lambda *_: None)
    for item in items:
        collector.add(item)
    verdicts = Counter[bool]()
    for key in collector.objects.workflows:
        run = explained(collector.objects, key, 0.0, (), lambda *_: None)
        assert run is not None
        if run.line.running:
            continue
        watched = ended[run.line.uid, run.line.finished]
        ours, theirs = run.path.causes_ms(), watched.path.causes_ms()
        assert run.path.total_ms == watched.path.total_ms
        verdicts[ours == theirs] += 1
        different = {c for c in {*ours, *theirs} if ours.get(c) != theirs.get(c)}
        assert different <= GONE, key
    assert verdicts[True] >= 95
    assert verdicts[False] <= 15
