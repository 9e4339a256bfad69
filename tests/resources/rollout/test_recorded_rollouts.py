"""What the 23 recorded rollouts come to, worked out by hand from argo-rollouts-summary.txt.

Times are differences of the summary's offsets in seconds: an attempt starts with the line of its
new currentPodHash (the creation with the object), a step with the line of its index.
"""

from dataclasses import dataclass

import pytest

from support.rollouts import Event, Sample, recorded_rollouts, watch

Recorded = tuple[float, dict[str, list[Event]]]


@dataclass(frozen=True)
class Story:
    attempts: tuple[Sample, ...]
    """(result, seconds) of each attempt that ended, in order."""
    steps: tuple[Sample, ...] = ()
    pauses: tuple[Sample, ...] = ()
    converged: tuple[Sample, ...] = ()
    aborts: tuple[str, ...] = ()


STORIES = {
    "canary-steps": Story(
        # 2: steps through; 3: overtaken by 4 after 4 s
        attempts=(
            ("created", 2.5),
            ("promoted", 29.3 - 3.0),
            ("superseded", 34.9 - 30.5),
            ("promoted", 196.1 - 34.9),
        ),
        steps=(
            ("setWeight", 5.3 - 3.0),
            ("pause", 9.5 - 5.3),
            ("setWeight", 11.7 - 9.5),
            ("pause", 16.5 - 11.7),
            ("setWeight", 22.1 - 16.5),
            ("pause", 24.9 - 22.1),
            ("setWeight", 49.5 - 34.9),
            ("pause", 54.5 - 49.5),
            ("setWeight", 94.6 - 54.5),
            ("pause", 99.5 - 94.6),
            ("setWeight", 153.4 - 99.5),
            ("pause", 155.5 - 153.4),
        ),
        pauses=(
            ("canary_pause_step", 9.5 - 5.3),
            ("canary_pause_step", 16.5 - 11.8),
            ("canary_pause_step", 24.9 - 22.2),
            ("canary_pause_step", 54.5 - 49.5),
            ("canary_pause_step", 99.5 - 94.7),
            ("canary_pause_step", 155.5 - 153.4),
        ),
        converged=(("Healthy", 29.3 - 3.0), ("Healthy", 196.1 - 34.9)),
    ),
    "canary-approval": Story(
        attempts=(("created", 2.9), ("promoted", 56.9 - 4.9)),
        steps=(("setWeight", 7.9 - 4.9), ("pause", 23.0 - 7.9), ("setWeight", 56.9 - 23.0)),
        pauses=(("canary_pause_step", 23.0 - 7.9),),
        converged=(("Paused", 7.9 - 4.9),),
    ),
    "canary-abort": Story(
        # aborted by a person, retried, promoted in full
        attempts=(("created", 4.0), ("aborted", 16.2 - 4.8), ("promoted", 102.9 - 31.5)),
        steps=(("setWeight", 9.9 - 4.8), ("setWeight", 59.2 - 31.5), ("pause", 60.1 - 59.2)),
        pauses=(("canary_pause_step", 16.2 - 9.9), ("canary_pause_step", 60.1 - 59.2)),
        converged=(("Paused", 9.9 - 4.8), ("Paused", 59.2 - 31.5)),
        aborts=("user",),
    ),
    "canary-rollback": Story(
        # 3 is the template of 1, which is not stable any more: all steps again
        attempts=(("created", 4.5), ("promoted", 31.5 - 5.8), ("promoted", 124.8 - 36.5)),
        steps=(
            ("setWeight", 10.3 - 5.8),
            ("pause", 13.4 - 10.3),
            ("setWeight", 72.8 - 36.5),
            ("pause", 76.4 - 72.8),
        ),
        pauses=(("canary_pause_step", 13.4 - 10.3), ("canary_pause_step", 76.4 - 72.9)),
        converged=(("Healthy", 31.5 - 5.8), ("Healthy", 124.8 - 36.5)),
    ),
    "canary-stuck-image": Story(
        # the progress deadline at +29.1 is no end; back to stable at +40.6
        attempts=(("created", 6.8), ("rolled_back", 40.6 - 8.4)),
        converged=(("Degraded", 29.1 - 8.4),),
    ),
    "canary-deadline-abort": Story(
        attempts=(("created", 15.8), ("aborted", 32.5 - 17.1)),
        converged=(("Degraded", 32.5 - 17.1),),
        aborts=("progress_deadline",),
    ),
    "canary-crash": Story(
        # deleted while Degraded by the progress deadline: the release never ended
        attempts=(("created", 22.3),),
        converged=(("Degraded", 48.4 - 23.1),),
    ),
    "bluegreen": Story(
        attempts=(("created", 26.8), ("promoted", 86.8 - 28.3)),
        pauses=(("blue_green_pause", 86.7 - 77.0),),
        converged=(("Paused", 77.0 - 28.3),),
    ),
    "bluegreen-auto": Story(
        # the pause ends by itself; Healthy only after the analysis that follows
        attempts=(("created", 33.7), ("promoted", 94.6 - 36.7)),
        pauses=(("blue_green_pause", 91.5 - 85.5),),
        converged=(("Healthy", 94.6 - 36.7),),
    ),
    "analysis-ok": Story(
        attempts=(("created", 59.8), ("promoted", 278.2 - 63.4)),
        steps=(
            ("setWeight", 116.2 - 63.4),
            ("analysis", 121.8 - 116.2),
            ("setWeight", 213.3 - 121.8),
            ("pause", 214.7 - 213.3),
        ),
        pauses=(("canary_pause_step", 214.7 - 213.3),),
        converged=(("Healthy", 278.2 - 63.4),),
    ),
    "analysis-bad": Story(
        attempts=(("created", 66.6), ("aborted", 148.9 - 69.5)),
        steps=(("setWeight", 145.9 - 69.5),),
        converged=(("Degraded", 148.9 - 69.5),),
        aborts=("analysis_failed",),
    ),
    "analysis-background": Story(
        attempts=(("created", 65.4), ("aborted", 119.7 - 66.1)),
        steps=(("setWeight", 110.2 - 66.1), ("pause", 119.7 - 110.2)),
        pauses=(("canary_pause_step", 119.7 - 110.2),),
        converged=(("Degraded", 119.7 - 66.1),),
        aborts=("analysis_failed",),
    ),
    "analysis-inconclusive": Story(
        # the name was the plan; the expression is of a wrong type, which is an error
        attempts=(("created", 89.0), ("aborted", 203.8 - 90.5)),
        steps=(("setWeight", 164.0 - 90.5),),
        converged=(("Degraded", 203.8 - 90.5),),
        aborts=("analysis_error",),
    ),
    "analysis-error": Story(
        attempts=(("created", 93.3), ("aborted", 179.0 - 95.8)),
        steps=(("setWeight", 159.3 - 95.8),),
        converged=(("Degraded", 179.0 - 95.8),),
        aborts=("analysis_error",),
    ),
    "analysis-job": Story(
        # deleted during the analysis
        attempts=(("created", 127.9),),
        steps=(("setWeight", 249.0 - 129.0),),
    ),
    "dry-run": Story(
        # the metric failed, which in a dry run is nothing
        attempts=(("created", 58.7), ("promoted", 230.7 - 60.3)),
        steps=(("setWeight", 129.2 - 60.3), ("analysis", 129.4 - 129.2)),
        converged=(("Healthy", 231.1 - 60.3),),
    ),
    "experiment-step": Story(
        attempts=(("created", 68.5),),
        steps=(("experiment", 185.2 - 70.0),),
    ),
    "nginx": Story(
        attempts=(("created", 107.5), ("promoted", 301.7 - 108.8)),
        steps=(
            ("setWeight", 193.1 - 108.8),
            ("pause", 196.7 - 193.1),
            ("setCanaryScale", 260.9 - 196.7),
            ("setWeight", 261.1 - 260.9),
            ("pause", 265.2 - 261.1),
        ),
        pauses=(("canary_pause_step", 196.7 - 193.1), ("canary_pause_step", 265.2 - 261.6)),
        converged=(("Healthy", 301.7 - 108.8),),
    ),
    # A restart, a change of scale and replicas: 0 are no releases.
    "restart-and-scale": Story(attempts=(("created", 32.2),)),
    "paused-by-user": Story(
        # the new template comes while spec.paused: it waits for a person from the start
        attempts=(("created", 120.5), ("promoted", 232.8 - 126.3)),
        steps=(("setWeight", 193.5 - 126.3), ("pause", 195.6 - 193.5)),
        pauses=(("user", 136.3 - 124.9), ("canary_pause_step", 195.6 - 193.6)),
        converged=(("Paused", 0.0),),
    ),
    "invalid": Story(attempts=()),
    "no-service": Story(attempts=()),
    "workload-ref": Story(
        # the release changes neither generation nor observedGeneration
        attempts=(("created", 117.6), ("promoted", 163.7 - 120.4)),
        steps=(("setWeight", 150.3 - 120.4), ("pause", 153.3 - 150.3)),
        pauses=(("canary_pause_step", 153.3 - 150.4),),
        converged=(("Healthy", 163.7 - 120.4),),
    ),
}


# Kubernetes times are whole seconds, so a difference of two is off by up to one. Before 1.10 the
# start is when the event arrived, and the end is such a time: half a second more.
TOLERANCE = {True: 1.0, False: 1.5}


def _same(got: list[Sample], expected: tuple[Sample, ...], tolerance: float) -> None:
    assert [name for name, _ in got] == [name for name, _ in expected]
    for (name, seconds), (_, wanted) in zip(got, expected, strict=True):
        assert seconds == pytest.approx(wanted, abs=tolerance), name


@pytest.fixture(scope="module", params=[True, False], ids=["1.10", "before 1.10"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    """(tolerance in seconds, events by rollout), with and without the controller's own times."""
    return TOLERANCE[request.param], recorded_rollouts(controller_times=request.param)


def test_the_table_is_about_all_recorded_rollouts(recorded: Recorded) -> None:
    assert recorded[1].keys() == STORIES.keys()


@pytest.mark.parametrize("name", STORIES)
def test_each_attempt_is_counted_once_with_its_duration(recorded: Recorded, name: str) -> None:
    tolerance, streams = recorded
    journal, story = watch(streams[name]), STORIES[name]
    _same(journal.durations(name), story.attempts, tolerance)
    assert sorted(journal.results(name).elements()) == sorted(r for r, _ in story.attempts)


@pytest.mark.parametrize("name", STORIES)
def test_aborts_have_the_cause_that_people_see_in_the_message(
    recorded: Recorded, name: str
) -> None:
    assert tuple(watch(recorded[1][name]).aborts(name)) == STORIES[name].aborts


@pytest.mark.parametrize("name", STORIES)
def test_completed_steps_are_timed(recorded: Recorded, name: str) -> None:
    tolerance, streams = recorded
    _same(watch(streams[name]).steps(name), STORIES[name].steps, tolerance)


@pytest.mark.parametrize("name", STORIES)
def test_pauses_are_timed_by_cause(recorded: Recorded, name: str) -> None:
    tolerance, streams = recorded
    _same(watch(streams[name]).pauses(name), STORIES[name].pauses, tolerance)


@pytest.mark.parametrize("name", STORIES)
def test_a_release_converges_at_its_first_conclusive_phase(recorded: Recorded, name: str) -> None:
    tolerance, streams = recorded
    _same(watch(streams[name]).converged(name), STORIES[name].converged, tolerance)


@pytest.mark.parametrize("name", STORIES)
def test_nothing_recorded_is_reported_as_malformed(recorded: Recorded, name: str) -> None:
    assert watch(recorded[1][name]).problems == {}
