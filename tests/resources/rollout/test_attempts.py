"""Attempts in situations that were not recorded, or not cut this way."""

import pytest

from support.rollouts import (
    CREATED,
    Event,
    Watcher,
    aborted,
    at,
    canary,
    condition,
    created,
    watch,
)


def test_an_abort_by_hand_counts_when_the_controller_acted_and_not_before() -> None:
    asked = canary(20, 2, "b", "a", abort=True, phase="Paused", currentStepIndex=1)
    begun = canary(10, 2, "b", "a", currentStepIndex=0)
    assert watch([created(), begun, asked]).results("web") == {"created": 1}
    done = canary(30, 2, "b", "a", currentStepIndex=0, **aborted(30))
    journal = watch([created(), begun, asked, done])
    assert journal.durations("web") == [("aborted", 20)]
    assert journal.aborts("web") == ["user"]


def test_a_retry_is_another_attempt_from_when_the_controller_took_it_up() -> None:
    abort_again = aborted(70)
    journal = watch(
        [
            created(),
            canary(10, 2, "b", "a", currentStepIndex=0),
            canary(30, 2, "b", "a", currentStepIndex=0, **aborted(30)),
            canary(40, 2, "b", "a", currentStepIndex=0, **{**aborted(30), "abort": False}),
            canary(41, 2, "b", "a", currentStepIndex=0, abortedAt=at(30)),
            canary(70, 2, "b", "a", currentStepIndex=0, **abort_again),
        ]
    )
    assert journal.durations("web") == [("aborted", 20), ("aborted", 29)]
    assert journal.aborts("web") == ["user", "user"]


def test_an_abort_after_a_retry_that_was_not_seen_counts_too() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a"),
        canary(30, 2, "b", "a", **aborted(30)),
        canary(90, 2, "b", "a", **aborted(90)),
    ]
    journal = watch(events)
    assert journal.results("web") == {"created": 1, "aborted": 2}
    assert journal.durations("web") == [("aborted", 20)]  # when the retry began, nobody knows


def test_an_abort_written_again_by_a_stale_controller_counts_once() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a"),
        canary(30, 2, "b", "a", **aborted(30)),
        canary(31, 2, "b", "a", **aborted(31)),
    ]
    assert watch(events).results("web") == {"created": 1, "aborted": 1}


def test_going_back_to_stable_after_an_abort_is_no_release() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a"),
        canary(30, 2, "b", "a", **aborted(30)),
        canary(40, 3, "a", "a", phase="Healthy", currentStepIndex=3),
        canary(50, 4, "c", "a", currentStepIndex=0),
        canary(60, 4, "c", "c", phase="Healthy", currentStepIndex=3),
    ]
    assert watch(events).results("web") == {"created": 1, "aborted": 1, "promoted": 1}


def test_another_template_after_an_abort_is_a_release() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a"),
        canary(30, 2, "b", "a", **aborted(30)),
        canary(40, 3, "c", "a", currentStepIndex=0),
        canary(60, 3, "c", "c", phase="Healthy", currentStepIndex=3),
    ]
    journal = watch(events)
    assert journal.results("web") == {"created": 1, "aborted": 1, "promoted": 1}
    assert journal.durations("web")[-1] == ("promoted", 20)


def test_a_progress_deadline_without_abort_is_no_end() -> None:
    late = {
        "phase": "Degraded",
        "conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded", 30)],
    }
    journal = watch(
        [
            created(),
            canary(10, 2, "b", "a"),
            canary(30, 2, "b", "a", **late),
            canary(70, 2, "b", "b", phase="Healthy", currentStepIndex=3),
        ]
    )
    assert journal.durations("web") == [("promoted", 60)]
    assert journal.converged("web") == [("Degraded", 20)]


def test_a_first_revision_replaced_before_it_was_healthy_was_never_created() -> None:
    events = [
        canary(1, 1, "a", ""),
        canary(2, 1, "a", "a", currentStepIndex=3),
        canary(20, 2, "b", "a", currentStepIndex=0, conditions=[]),
        canary(50, 2, "b", "b", phase="Healthy", currentStepIndex=3),
    ]
    assert watch(events).durations("web") == [("superseded", 20), ("promoted", 30)]


def test_a_rollback_within_the_window_is_what_the_controller_calls_it() -> None:
    times = {
        "rolloutStartedAt": at(60),
        "finishedAt": at(65),
        "completionStatus": "RolledBack",
    }
    events = [created(), canary(65, 3, "z", "z", phase="Healthy", duration=times)]
    assert watch(events).durations("web") == [("rolled_back", 5)]


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (created(), "created"),
        (canary(60, 2, "b", "b", phase="Healthy", currentStepIndex=3), "promoted"),
        (canary(60, 2, "b", "b", currentStepIndex=3), "promoted"),
        (canary(60, 2, "b", "a", **aborted(60)), "aborted"),
    ],
    ids=["created", "promoted", "promoted, being restarted", "aborted"],
)
def test_what_ended_is_counted_when_shown_but_is_history_at_the_first_list(
    event: Event, result: str
) -> None:
    assert watch([event]).results("web") == {result: 1}
    watcher = Watcher()
    watcher.see(event, baseline=True)
    watcher.see(event)
    assert watcher.journal.results("web") == {}
    assert watcher.journal.entries == []


def test_the_end_of_a_release_that_was_under_way_at_the_first_list_is_counted() -> None:
    watcher = Watcher()
    watcher.see(canary(40, 2, "b", "a", currentStepIndex=1), baseline=True)
    watcher.see(canary(50, 2, "b", "a", currentStepIndex=2))
    watcher.see(canary(60, 2, "b", "b", phase="Healthy", currentStepIndex=3))
    # not healthy since second 10, so that is when it began; when step 1 began is not known
    assert watcher.journal.durations("web") == [("promoted", 50)]
    assert watcher.journal.steps("web") == [("setWeight", 10)]


def test_a_creation_lasts_until_the_rollout_is_healthy() -> None:
    begun = [canary(1, 1, "a", ""), canary(2, 1, "a", "a", currentStepIndex=3)]
    assert watch([*begun, created()]).durations("web") == [("created", 5)]
    # Seen first when it is healthy, nobody knows since when.
    assert watch([created()]).durations("web") == []


def test_an_old_promotion_seen_first_gives_no_duration_that_nobody_measured() -> None:
    journal = watch([canary(60, 7, "b", "b", phase="Healthy", currentStepIndex=3)])
    assert journal.results("web") == {"promoted": 1}
    assert journal.durations("web") == []


def test_steps_that_were_skipped_are_not_timed() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a", currentStepIndex=0),
        canary(20, 2, "b", "a", currentStepIndex=1),
        canary(25, 2, "b", "a", currentStepIndex=3),
        canary(30, 2, "b", "b", phase="Healthy", currentStepIndex=3),
    ]
    assert watch(events).steps("web") == [("setWeight", 10)]


def test_an_end_before_the_start_is_reported_and_not_measured() -> None:
    times = {"rolloutStartedAt": at(60), "finishedAt": at(20), "completionStatus": "Aborted"}
    event = canary(70, 2, "b", "a", **aborted(20), duration=times)
    journal = watch([event])
    assert journal.results("web") == {"aborted": 1}
    assert journal.durations("web") == []
    assert journal.problems == {("Rollout", "end_before_start"): 1}


def _paused(second: float, reason: str, start: str) -> Event:
    pauses = [{"reason": reason, "startTime": start}]
    return canary(second, 2, "b", "a", phase="Paused", currentStepIndex=1, pauseConditions=pauses)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("CanaryPauseStep", "canary_pause_step"),
        ("BlueGreenPause", "blue_green_pause"),
        ("InconclusiveAnalysisRun", "inconclusive_analysis"),
        ("InconclusiveExperiment", "inconclusive_experiment"),
        ("SomethingNew", "other"),
    ],
)
def test_a_pause_lasts_from_its_own_start_to_when_it_is_gone(reason: str, cause: str) -> None:
    events = [created(), _paused(22, reason, at(21)), canary(40, 2, "b", "a", currentStepIndex=2)]
    assert watch(events).pauses("web") == [(cause, 19)]


def test_a_pause_of_unknown_start_is_reported_and_not_measured() -> None:
    events = [created(), _paused(22, "CanaryPauseStep", "soon"), canary(40, 2, "b", "a")]
    journal = watch(events)
    assert journal.pauses("web") == []
    assert journal.problems == {("Rollout", "malformed_time"): 1}


def test_a_deleted_rollout_takes_its_gauges_along() -> None:
    watcher = Watcher()
    watcher.see(created())
    gauges = [m for m in watcher.journal.metrics.values() if m.name.startswith("argo.rollout.")]
    assert any(m.instrument == "gauge" and list(watcher.journal.samples(m)) for m in gauges)
    watcher.vanish("u-1", CREATED + 60)
    for metric in gauges:
        assert metric.instrument != "gauge" or not list(watcher.journal.samples(metric))


def test_a_malformed_field_is_left_out_and_the_rest_goes_on() -> None:
    second, change = created()
    change["object"]["status"]["replicas"] = "four"
    change["object"]["spec"]["workloadRef"] = 7
    journal = watch([(second, change)])
    assert journal.results("web") == {"created": 1}
    assert journal.problems == {("Rollout", "malformed_field"): 2}
