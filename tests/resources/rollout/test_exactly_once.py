"""Whatever a watch leaves out or repeats, an attempt whose end can be seen is counted once."""

import random
from collections import Counter

import pytest

from support.rollouts import Event, Journal, Watcher, recorded_rollouts, watch

Streams = dict[str, list[Event]]
SEEDS = range(12)


@pytest.fixture(scope="module", params=[True, False], ids=["1.10", "before 1.10"])
def streams(request: pytest.FixtureRequest) -> Streams:
    return recorded_rollouts(controller_times=request.param)


def _ends(name: str, events: list[Event]) -> list[int]:
    """Indices of the events at which an attempt was counted."""
    watcher, ends = Watcher(), []
    for index, event in enumerate(events):
        before = watcher.journal.results(name).total()
        watcher.see(event)
        if watcher.journal.results(name).total() > before:
            ends.append(index)
    return ends


def _hash(event: Event) -> str:
    return str(event[1]["object"].get("status", {}).get("currentPodHash", ""))


def _controller_times(events: list[Event]) -> bool:
    return any("duration" in event["object"].get("status", {}) for _, event in events)


def _thinned(rng: random.Random, name: str, events: list[Event]) -> list[Event]:
    """The events at which attempts end, one before each that shows the attempt, few others."""
    kept = {len(events) - 1}
    first = 0
    for end in _ends(name, events):
        shows = [i for i in range(first, end) if _hash(events[i]) == _hash(events[end - 1])]
        kept |= {end, rng.choice(shows or [end])}
        first = end
    kept |= {i for i in range(len(events)) if rng.random() < 0.1}
    return [events[i] for i in sorted(kept)]


def _doubled(rng: random.Random, events: list[Event]) -> list[Event]:
    return [event for event in events for _ in range(rng.randint(1, 3))]


@pytest.mark.parametrize("seed", SEEDS)
def test_results_survive_skipped_and_repeated_events(streams: Streams, seed: int) -> None:
    rng = random.Random(seed)
    for name, events in streams.items():
        whole = watch(events)
        some = watch(_doubled(rng, _thinned(rng, name, events)))
        assert some.results(name) == whole.results(name), name
        assert some.aborts(name) == whole.aborts(name), name
        assert some.problems == {}, name


@pytest.mark.parametrize("seed", SEEDS)
def test_repeated_events_change_no_sample(streams: Streams, seed: int) -> None:
    rng = random.Random(seed)
    for name, events in streams.items():
        assert watch(_doubled(rng, events)).entries == watch(events).entries, name


def test_a_daemon_that_starts_anywhere_counts_what_ends_after_that(streams: Streams) -> None:
    for name, events in streams.items():
        ends = _ends(name, events)
        results = [result for result, _ in watch(events).of_attempts(name)]
        for start in range(len(events)):
            if events[start][1]["type"] == "DELETED":
                continue
            watcher = Watcher()
            watcher.see(events[start], baseline=True)
            for event in events[start + 1 :]:
                watcher.see(event)
            after = [result for result, end in zip(results, ends, strict=True) if end > start]
            assert watcher.journal.results(name) == Counter(after), (name, start)


def test_a_list_after_a_cut_never_counts_more_than_an_unbroken_watch(streams: Streams) -> None:
    for name, events in streams.items():
        whole: Journal = watch(events)
        for cut in range(1, len(events)):
            for length in (1, 5, 20):
                some = watch(events[:cut] + events[cut + length :])
                assert some.results(name) <= whole.results(name) or (
                    # Before 1.10 a release of what was stable at the cut looks like a rollback.
                    _controller_times(events) is False
                    and some.results(name) == {"created": 1, "rolled_back": 1}
                ), (name, cut, length)


def test_a_second_deletion_is_ignored(streams: Streams) -> None:
    events = streams["canary-approval"]
    assert watch([*events, events[-1]]).entries == watch(events).entries


def test_an_attempt_whose_object_vanished_is_reported_and_not_guessed(streams: Streams) -> None:
    watcher = Watcher()
    events = [e for e in streams["analysis-job"] if e[1]["type"] != "DELETED"]
    for event in events:
        watcher.see(event)
    watcher.vanish(events[0][1]["object"]["metadata"]["uid"], events[-1][0] + 60)
    assert watcher.journal.results("analysis-job") == {"created": 1}
    assert watcher.journal.problems == {("Rollout", "attempt_end_unseen"): 1}
