"""The lives of Workflows that were not recorded: retries, deletions, first lists, dirty times."""

from math import inf
from typing import Any

import pytest

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.resources.workflow import attempts, derive, reading
from argoscope.resources.workflow import metrics as m
from support.compression import compressed
from support.workflow_objects import BASE, at, node, workflow
from support.workflows import Feed

FINISHED = workflow(node("ok", end=5), node("bad", "Pod", "Failed", 5, 10), phase="Failed")


def retried(*, start: float = 30, end: float | None = None, version: int = 3) -> dict[str, Any]:
    """The same run after `argo retry`: ``ok`` was kept, ``bad`` is made again with its id."""
    over = end is not None
    again = node("bad", "Pod", "Failed" if over else "Running", start, end)
    phase = "Failed" if over else "Running"
    return workflow(node("ok", end=5), again, phase=phase, start=start, end=end, version=version)


def reasons(feed: Feed) -> list[str]:
    return [reason for _, reason, _ in feed.problems]


# -- argo retry


def test_retry_is_another_attempt_and_kept_nodes_are_not_counted_again() -> None:
    feed = Feed()
    for state in (FINISHED, retried(), retried(end=37)):
        feed.upsert(state)
    found = feed.totals()
    assert found.runs == {"Failed": (2, 10.0 + 7.0)}
    assert found.attempts == {
        ("w", "Pod", "Succeeded"): (1, 5.0),
        ("w", "Pod", "Failed"): (2, 12.0),
    }
    assert found.actions == {"retry": 1}
    assert found.pending == (1, 0.0)
    assert found.retries == {}  # no retryStrategy took part


def test_retry_whose_going_on_was_not_seen_is_told_by_its_startedat() -> None:
    feed = Feed()
    for state in (FINISHED, retried(end=37)):
        feed.upsert(state)
    assert feed.totals().runs == {"Failed": (2, 17.0)}
    assert feed.totals().attempts[("w", "Pod", "Failed")] == (2, 12.0)
    assert feed.totals().actions == {"retry": 1}


def test_retry_by_a_clock_that_is_behind_is_a_retry() -> None:
    """The retry writes its own time, which may be that of somebody's laptop."""
    feed = Feed()
    again = node("bad", "Pod", "Succeeded", 12, 15)
    second = workflow(node("ok", end=5), again, phase="Succeeded", start=8, end=20, version=3)
    for state in (FINISHED, second):
        feed.upsert(state)
    assert feed.totals().runs == {"Failed": (1, 10.0), "Succeeded": (1, 12.0)}
    assert feed.totals().attempts[("w", "Pod", "Succeeded")] == (2, 8.0)


def test_retry_by_a_clock_that_is_ahead_loses_no_node() -> None:
    feed = Feed()
    again = node("bad", "Pod", "Succeeded", 12, 15)
    second = workflow(node("ok", end=5), again, phase="Succeeded", start=18, end=20, version=3)
    for state in (FINISHED, second):
        feed.upsert(state)
    assert feed.totals().attempts[("w", "Pod", "Succeeded")] == (2, 8.0)


def test_retry_within_the_second_of_the_end_counts_the_new_nodes_only() -> None:
    feed = Feed()
    last = node("last", "Pod", "Succeeded", 10, 10)
    first = workflow(node("bad", "Pod", "Failed", 5, 10), last, phase="Failed")
    again = node("bad", "Pod", "Succeeded", 10, 14)
    second = workflow(again, last, phase="Succeeded", start=10, end=20, version=3)
    for state in (first, second):
        feed.upsert(state)
    assert feed.totals().runs == {"Failed": (1, 10.0), "Succeeded": (1, 10.0)}
    assert feed.totals().attempts[("w", "Pod", "Succeeded")] == (2, 4.0)


def test_retried_run_that_is_first_seen_at_its_end_counts_all_that_it_shows() -> None:
    feed = Feed()
    feed.upsert(retried(end=37))
    found = feed.totals()
    assert found.runs == {"Failed": (1, 7.0)}
    assert found.attempts == {("w", "Pod", "Succeeded"): (1, 5.0), ("w", "Pod", "Failed"): (1, 7.0)}
    assert found.pending == (0, 0.0)  # its first start is not known


@pytest.mark.parametrize("history", [0.0, inf])
def test_run_that_is_retried_out_of_the_archive_counts_only_what_it_makes_again(
    history: float,
) -> None:
    """`argo archive retry`: the object was deleted, and is made anew with the nodes that it had."""
    again = {"start": 99, "created": 100, "uid": "another", "version": 9}
    ok = node("ok", end=5, resourcesDuration={"cpu": 5})
    first = workflow(ok, node("bad", "Pod", "Failed", 5, 10), phase="Failed")
    running = workflow(
        ok, node("bad", phase="Running", start=101, end=None), phase="Running", end=None, **again
    )
    over = workflow(ok, node("bad", start=101, end=107), end=108, **again)
    feed = Feed()
    feed.upsert(first)
    feed.delete(first)
    feed.upsert(running, history_until=history)
    feed.upsert(over)
    found = feed.totals()
    assert found.runs == {"Failed": (1, 10.0), "Succeeded": (1, 9.0)}
    assert found.attempts == {
        ("w", "Pod", "Succeeded"): (2, 5.0 + 6.0),
        ("w", "Pod", "Failed"): (1, 5.0),
    }
    assert feed.value(m.RESOURCE_SECONDS, "ci", "wf", "cpu") == 5.0


def test_attempt_whose_end_was_hidden_by_a_retry_is_unobserved() -> None:
    feed = Feed()
    feed.upsert(workflow(node("bad", phase="Running", end=None), phase="Running", end=None))
    feed.upsert(retried(end=37))
    assert feed.totals().unobserved == {"retried_unseen": 1}
    assert feed.totals().actions == {"retry": 1}
    assert feed.totals().runs == {"Failed": (1, 7.0)}


def test_finished_run_that_is_written_again_counts_once() -> None:
    feed = Feed()
    feed.upsert(FINISHED)
    feed.upsert({**FINISHED, "metadata": {**FINISHED["metadata"], "labels": {"seen": "yes"}}})
    later = workflow(*FINISHED["status"]["nodes"].values(), phase="Failed", end=12, version=3)
    feed.upsert(later)  # another finishedAt, but not another start
    assert feed.totals().runs == {"Failed": (1, 10.0)}
    assert feed.totals().attempts[("w", "Pod", "Failed")] == (1, 5.0)


# -- deletion


def test_run_deleted_while_it_runs_is_unobserved_but_its_finished_nodes_count() -> None:
    feed = Feed()
    state = workflow(node("a"), node("b", phase="Running", end=None), phase="Running", end=None)
    feed.upsert(state)
    feed.delete(state)
    assert feed.totals().unobserved == {"deleted_running": 1}
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (1, 5.0)}
    assert feed.totals().runs == {}
    assert ("ci", "wf") not in feed.world.runs


def test_last_state_of_a_deletion_is_counted_before_it_goes() -> None:
    feed = Feed()
    feed.upsert(workflow(phase="Running", end=None))
    feed.delete(FINISHED)
    assert feed.totals().runs == {"Failed": (1, 10.0)}
    assert feed.totals().unobserved == {}


def test_deletion_of_a_run_that_was_never_seen_counts_what_it_shows() -> None:
    feed = Feed()
    feed.delete(FINISHED)
    assert feed.totals().runs == {"Failed": (1, 10.0)}
    assert feed.gauges() == {}


def test_tombstone_of_a_live_run_is_unobserved_and_of_a_finished_one_is_nothing() -> None:
    feed = Feed()
    feed.upsert(workflow(phase="Running", end=None))
    feed.upsert(workflow(name="done"))
    feed.delete(None, "uid-wf")
    feed.delete(None, "uid-done")
    feed.delete(None, "uid-never-seen")
    assert feed.totals().unobserved == {"deleted_unseen": 1}


def test_name_that_was_taken_by_a_newer_workflow_stays_known() -> None:
    feed = Feed()
    old, new = workflow(uid="old"), workflow(uid="new", phase="Running", end=None)
    feed.upsert(old)
    feed.upsert(new)
    feed.delete(old)
    assert feed.world.runs["ci", "wf"].uid == "new"


# -- the first list


def test_what_had_ended_at_the_first_list_is_history() -> None:
    feed = Feed()
    running = workflow(
        node("a"), node("b", phase="Running", end=None), name="live", phase="Running", end=None
    )
    feed.upsert(FINISHED, history_until=inf)
    feed.upsert(running, history_until=inf)
    assert feed.totals().runs == {}
    assert feed.totals().attempts == {}
    assert feed.totals().pending == (0, 0.0)
    feed.deriver.tick(feed.now)
    assert feed.value(m.COMPLETED_7D, "ci", "wf") == 1
    assert feed.value(m.FAILED_7D, "ci", "wf") == 1
    feed.upsert(workflow(node("a"), node("b", end=9), name="live", version=2))
    assert feed.totals().runs == {"Succeeded": (1, 10.0)}
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (1, 9.0)}  # only b is new


def test_history_that_is_retried_counts_the_new_attempt() -> None:
    feed = Feed()
    feed.upsert(FINISHED, history_until=inf)
    feed.upsert(retried(end=37))
    assert feed.totals().runs == {"Failed": (1, 7.0)}
    assert feed.totals().attempts == {("w", "Pod", "Failed"): (1, 7.0)}
    assert feed.totals().actions == {"retry": 1}


# -- dirty times


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"finishedAt": None}, "no_finish"),
        ({"finishedAt": "soon"}, "bad_time"),
        ({"finishedAt": at(-5)}, "negative_duration"),
        ({"finishedAt": at(86_400)}, "future_time"),
        ({"startedAt": at(-5)}, "negative_duration"),
    ],
    ids=["no finish", "no time", "end before start", "future", "start before creation"],
)
def test_run_with_a_bad_time_counts_once_and_the_time_is_reported(
    change: dict[str, Any], reason: str
) -> None:
    feed = Feed()
    state = workflow(status=change)
    feed.upsert(state)
    feed.upsert(state)
    assert feed.totals().runs.keys() == {"Succeeded"}
    assert feed.value(m.RUNS, "ci", "wf", "Succeeded") == 1
    assert reason in reasons(feed)
    if "finishedAt" in change:
        assert feed.totals().runs == {"Succeeded": (1, 0.0)}  # no duration


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"startedAt": None}, "no_start"),
        ({"startedAt": "then"}, "bad_time"),
        ({"finishedAt": "then"}, "bad_time"),
        ({"startedAt": at(9)}, "negative_duration"),
        ({"finishedAt": at(86_400)}, "future_time"),
        ({"startedAt": None, "finishedAt": None}, "no_finish"),
    ],
)
def test_node_with_a_bad_time_gives_no_sample_but_its_failure_counts(
    times: dict[str, Any], reason: str
) -> None:
    feed = Feed()
    bad = node("a", "Pod", "Failed", message="Error (exit code 2)") | times
    feed.upsert(workflow({k: v for k, v in bad.items() if v is not None}, phase="Failed"))
    assert feed.totals().attempts == {}
    assert feed.totals().failures == {("w", "exit_code"): 1}
    assert reasons(feed) == [reason]


def test_failed_node_without_an_end_ends_with_the_run_and_not_before() -> None:
    feed = Feed()
    evicted = node("a", "Pod", "Failed", 0, None)
    feed.upsert(workflow(evicted, phase="Running", end=None))
    assert feed.totals().attempts == {}
    feed.upsert(workflow(evicted, phase="Failed", end=12, version=2))
    assert feed.totals().attempts == {("w", "Pod", "Failed"): (1, 12.0)}
    assert reasons(feed) == ["no_finish"]


def test_unknown_phase_is_reported_and_is_no_retry() -> None:
    feed = Feed()
    feed.upsert(workflow())
    feed.upsert(workflow(phase="Runningg", version=2))
    assert reasons(feed) == ["unknown_phase"]
    assert feed.totals().actions == {}
    assert feed.totals().runs == {"Succeeded": (1, 10.0)}


def test_nodes_without_an_id_have_that_of_their_key() -> None:
    one, two = node("a"), node("b", end=7)
    state = workflow(one, two)
    for each in state["status"]["nodes"].values():
        del each["id"]
    feed = Feed()
    feed.upsert(state)
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (2, 12.0)}


# -- nodes elsewhere


def test_offloaded_nodes_are_unobserved_once_and_the_run_counts() -> None:
    feed = Feed()
    state = workflow(status={"offloadNodeStatusVersion": "fnv:1"})
    feed.upsert(state)
    feed.upsert(state)
    assert feed.totals().unobserved == {"offloaded": 1}
    assert feed.totals().runs == {"Succeeded": (1, 10.0)}


def test_compressed_nodes_of_a_running_workflow_are_inflated_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inflated = []
    real = reading.inflate
    monkeypatch.setattr(reading, "inflate", lambda *a: inflated.append(1) or real(*a))
    feed = Feed()

    def status(count: int) -> dict[str, Any]:
        return {"compressedNodes": compressed(*(node(f"n{i}") for i in range(count)))}

    for second in range(10):
        state = workflow(phase="Running", end=None, status=status(second))
        feed.upsert(state, at=BASE + 60 + second)
    assert len(inflated) == 2  # at 0 and 5
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (5, 25.0)}
    feed.upsert(workflow(status=status(12)), at=BASE + 70)  # the end is never put off
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (12, 60.0)}


def test_deletion_is_inflated_at_once() -> None:
    feed = Feed()
    first = {"compressedNodes": compressed(node("a"))}
    second = {"compressedNodes": compressed(node("a"), node("b"))}
    feed.upsert(workflow(phase="Running", end=None, status=first))
    feed.delete(workflow(phase="Running", end=None, status=second))
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (2, 10.0)}


# -- what is remembered of names is bounded


def test_pipelines_are_declared_once_and_again_when_there_were_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(derive, "MAX_NAMES", 3)
    monkeypatch.setattr(attempts, "MAX_NAMES", 3)
    feed = Feed()
    for number in range(20):
        feed.upsert(workflow(node("a", run=f"p{number}"), name=f"p{number}"))
    assert len(feed.deriver._pipelines) <= 5
    assert len(feed.deriver._templates) <= 5
    assert feed.value(m.RUNS, "ci", "p0", "Failed") == 0
    assert feed.totals().runs == {"Succeeded": (20, 200.0)}


def test_all_phases_and_common_causes_of_a_new_pipeline_start_at_zero() -> None:
    feed = Feed()
    running = node("a", phase="Pending", end=None)
    feed.upsert(workflow(running, phase="Running", end=None, generateName="etl-"))
    for phase in ("Succeeded", "Failed", "Error"):
        assert feed.value(m.RUNS, "ci", "etl", phase) == 0
    for cause in ("oom", "deadline", "exit_code", "error"):
        assert feed.value(m.FAILURES, "ci", "etl", cause) == 0
    assert feed.value(m.TEMPLATE_FAILURES, "ci", "etl", "w", "exit_code") == 0
    assert feed.value(RUNS_UNOBSERVED, "deleted_unseen") is None
