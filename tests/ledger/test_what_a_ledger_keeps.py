"""What was committed comes back as it was, and nothing else does."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.ledger.ledger import PENDING_RUNS, Ledger
from argoscope.ledger.reading import log_size
from argoscope.metrics.model import Instrument, Label, Metric
from argoscope.metrics.registry import Registry
from support.ledgers import ETL, NOW, PLACE, contents, registry_at, run_record
from support.scrape import DURATION, RUNS


def test_a_new_ledger_is_empty(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    assert not any(contents(ledger).values())
    ledger.close()


def test_values_records_runs_and_facts_come_back_with_their_start(tmp_path: Path) -> None:
    registry = registry_at(NOW + 0.123456789)
    registry.count(RUNS, ETL, 2.0)
    registry.observe(DURATION, PLACE, 0.1)
    registry.observe(DURATION, PLACE, 1e9)
    ledger = Ledger.open(tmp_path)
    ledger.record(run_record(1, phase="Failed", cause="oom", cron="nightly"))
    ledger.note("fact", "so it is")
    ledger.commit(registry.hold(), [("workflows", "u1", b"\0\1"), ("pods", "u2", b"")])
    ledger.close()

    again = Ledger.open(tmp_path)
    found = contents(again)
    assert found["counters"] == {ETL: (2.0, NOW + 0.123456789)}
    (distribution,) = found["histograms"].values()
    assert distribution[0][0] + distribution[0][-1] >= 1
    assert sum(distribution[0]) == 2
    assert distribution[1:] == (0.1 + 1e9, NOW + 0.123456789)
    assert found["objects"] == {"u1": b"\0\1"}
    assert dict(again.objects("pods")) == {"u2": b""}
    (past,) = found["runs"]
    assert (past.pipeline, past.cron, past.phase, past.cause) == ("etl", "nightly", "Failed", "oom")
    assert past.finished == NOW + 1
    assert found["noted"] == "so it is"
    again.close()


_TEXT = st.text(max_size=20)


@settings(deadline=None)  # each one waits for the disk
@given(
    labels=st.tuples(_TEXT, _TEXT, _TEXT),
    values=st.lists(st.floats(0, allow_infinity=False), min_size=1, max_size=4),
    start=st.floats(0, 4e9),
)
def test_any_labels_and_numbers_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    labels: tuple[str, str, str],
    values: list[float],
    start: float,
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    registry = registry_at(start)
    for value in values:
        registry.count(RUNS, labels, value)
        registry.observe(DURATION, labels[:1], value)
    ledger = Ledger.open(folder)
    ledger.commit(registry.hold(), [("workflows", labels[0], labels[1].encode())])
    ledger.close()
    again = Ledger.open(folder)
    found = contents(again)
    again.close()
    known = registry.cumulative(DURATION)[labels[:1]]
    assert found["counters"] == {labels: (registry.value(RUNS, labels), start)}
    assert found["histograms"] == {labels[:1]: (tuple(known.counts), known.total, start)}  # type: ignore[union-attr]
    assert found["objects"] == {labels[0]: labels[1].encode()}


def test_only_what_changed_is_in_a_commit(tmp_path: Path) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    registry.count(RUNS, ETL)
    registry.count(RUNS, ("team", "build", "Failed"))
    ledger.commit(registry.hold())
    registry.count(RUNS, ETL)
    batch = ledger.take(registry.hold())
    assert not batch.series, "what it is called is known"
    assert [row[0] for row in batch.values] == [registry.cumulative(RUNS)[ETL].row]
    ledger.write(batch)
    assert not ledger.take(registry.hold()), "nothing happened, nothing to write"
    ledger.close()


def test_restored_series_are_published_and_not_written_again(tmp_path: Path) -> None:
    registry = registry_at()
    registry.count(RUNS, ETL, 7.0)
    ledger = Ledger.open(tmp_path)
    ledger.commit(registry.hold())
    ledger.close()
    again, restored = Ledger.open(tmp_path), registry_at(NOW + 99)
    assert again.restore(restored) == 1
    series = restored.cumulative(RUNS)[ETL]
    assert (series.published, series.start) == (7.0, NOW)
    assert not again.take(restored.hold()).values
    again.close()


def test_an_object_that_is_gone_is_forgotten_and_the_last_state_of_a_second_counts(
    tmp_path: Path,
) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    ledger.commit(registry.hold(), [("workflows", f"u{n}", b"1") for n in range(3)])
    ledger.commit(
        registry.hold(),
        [
            ("workflows", "u0", None),
            ("workflows", "u1", None),
            ("workflows", "u1", b"2"),
            ("workflows", "u2", b"2"),
            ("workflows", "u2", None),
            ("workflows", "never", None),
        ],
    )
    assert dict(ledger.objects("workflows")) == {"u1": b"2"}
    ledger.close()


def test_the_same_attempt_told_twice_is_one_record_and_a_retry_is_another(tmp_path: Path) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    for finished in (NOW, NOW, NOW + 60):
        ledger.record(run_record(1, finished=finished))
        ledger.commit(registry.hold())
    ledger.record(run_record(1, finished=NOW))
    ledger.record(run_record(1, finished=NOW))
    ledger.commit(registry.hold())
    assert [past.finished for past in ledger.past_runs(0.0)] == [NOW, NOW + 60]
    assert ledger.database.runs == 2
    ledger.close()
    again = Ledger.open(tmp_path)
    assert again.database.runs == 2
    again.close()


def test_past_runs_are_those_since_then_oldest_first(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    for number in (5, 1, 3):
        ledger.record(run_record(number))
    ledger.commit(registry_at().hold())
    assert [past.finished - NOW for past in ledger.past_runs(NOW + 3)] == [3, 5]
    ledger.close()


def test_more_rows_than_a_statement_takes_parameters(tmp_path: Path) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    keys = [("workflows", f"u{number}") for number in range(20_000)]
    for family in registry.families:
        family.budget = 10_000
    for number in range(6_000):
        registry.count(RUNS, ("team", f"p{number}", "Failed"), number)
        ledger.record(run_record(number))
    ledger.commit(registry.hold(), [(*key, b"1") for key in keys])
    found = contents(ledger)
    assert len(found["counters"]) == len(found["runs"]) == 6_000
    assert len(found["objects"]) == 20_000
    ledger.commit(registry.hold(), [(*key, None) for key in keys])
    assert not contents(ledger)["objects"]
    ledger.close()


def test_a_fact_is_forgotten_by_noting_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.note("fact", "1")
    ledger.commit(registry_at().hold())
    ledger.note("fact", "")
    assert ledger.noted("fact") == ""
    ledger.commit(registry_at().hold())
    ledger.close()
    again = Ledger.open(tmp_path)
    assert again.noted("fact") == ""
    again.close()


def test_what_was_not_committed_is_lost_together(tmp_path: Path) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    registry.count(RUNS, ETL)
    ledger.record(run_record())
    ledger.note("fact", "1")
    ledger.take(registry.hold(), [("workflows", "u", b"1")])
    ledger.close()
    again = Ledger.open(tmp_path)
    assert not any(contents(again).values())
    again.close()


@pytest.mark.parametrize("path", ["", "ledger.db", "new/", "new"])
def test_a_folder_and_a_file_will_do(tmp_path: Path, path: str) -> None:
    given_path = f"{tmp_path}/{path}"
    ledger = Ledger.open(given_path)
    expected = "ledger.db" if path == "ledger.db" else "argoscope.db"
    assert ledger.database.path.name == expected
    assert ledger.database.path.exists()
    ledger.close()


# -- what changes between two versions of the daemon, or two of its settings


def _counter(name: str, *labels: str, budget: int = 10_000) -> Metric:
    return Metric(
        name=name,
        instrument=Instrument.COUNTER,
        unit="{run}",
        labels=tuple(Label(name=label, help="x", open=True) for label in labels),
        help="x",
        budget=budget,
    )


def test_a_metric_whose_labels_or_buckets_changed_begins_anew_and_the_others_stay(
    tmp_path: Path,
) -> None:
    kept, before = _counter("argo.kept", "pipeline"), _counter("argo.changed", "pipeline")
    registry = Registry([kept, before], now=lambda: NOW)
    registry.count(kept, ("etl",), 3)
    registry.count(before, ("etl",), 5)
    ledger = Ledger.open(tmp_path)
    ledger.restore(registry)
    ledger.commit(registry.hold())
    ledger.close()

    after = _counter("argo.changed", "pipeline", "phase")
    for _ in range(2):
        ledger, registry = Ledger.open(tmp_path), Registry([kept, after], now=lambda: NOW)
        ledger.restore(registry)
        assert dict(registry.samples(kept)) == {("etl",): 3.0}
        assert not dict(registry.samples(after))
        ledger.commit(registry.hold())
        ledger.close()


def test_volatile_metrics_are_not_kept(tmp_path: Path) -> None:
    registry = registry_at()
    registry.problem("Workflow", "malformed", "x")
    ledger = Ledger.open(tmp_path)
    assert not ledger.take(registry.hold()).values
    ledger.close()


@pytest.mark.parametrize(("budget", "left"), [(100, 3), (3, 1)], ids=["room", "crowded"])
def test_series_that_nothing_was_added_to_give_way_only_where_there_is_no_room(
    tmp_path: Path, budget: int, left: int
) -> None:
    metric, now = _counter("argo.many", "pipeline", budget=budget), NOW
    registry = Registry([metric], now=lambda: now)
    ledger = Ledger.open(tmp_path, now=lambda: now, retention=30 * 86400.0)
    ledger.restore(registry)
    for name in ("a", "b"):
        registry.count(metric, (name,))
    ledger.commit(registry.hold())
    now += 31 * 86400.0
    registry.count(metric, ("c",))
    ledger.commit(registry.hold())
    ledger.close()

    again, restored = Ledger.open(tmp_path, now=lambda: now), Registry([metric])
    again.restore(restored)
    assert len(dict(restored.samples(metric))) == left
    assert restored.value(metric, ("c",)) == 1.0
    again.close()


# -- retention


def test_old_run_records_go_in_pieces_and_the_new_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argoscope.ledger.database.EXPIRED", 4)
    now = NOW + 10
    ledger = Ledger.open(tmp_path, retention=30 * 86400.0, now=lambda: now)
    for number in range(10):
        ledger.record(run_record(number))
    ledger.commit(registry_at().hold())
    now += 30 * 86400.0 + 60
    ledger.record(run_record(99, finished=now))
    left = []
    for _ in range(4):
        ledger.commit(registry_at().hold())
        left.append(ledger.database.runs)
    assert left == [7, 3, 1, 1]
    assert [past.finished for past in ledger.past_runs(0.0)] == [now]
    ledger.close()


def test_a_clock_that_is_years_ahead_deletes_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, now=lambda: NOW + 10 * 365 * 86400.0)
    ledger.record(run_record())
    ledger.commit(registry_at().hold())
    ledger.commit(registry_at().hold())
    assert ledger.database.runs == 1
    ledger.close()


def test_run_records_that_wait_for_a_commit_are_bounded(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    record = run_record()
    for _ in range(PENDING_RUNS + 1):
        ledger.record(record)
    assert ledger.dropped == PENDING_RUNS // 10
    ledger.close()


def test_vacuum_gives_room_back(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    rows = [("workflows", f"u{number}", bytes(1000)) for number in range(3000)]
    ledger.commit(registry_at().hold(), rows)
    ledger.commit(registry_at().hold(), [(kind, uid, None) for kind, uid, _ in rows])
    ledger.database.checkpoint()
    before = ledger.database.bytes()
    ledger.database.vacuum()
    assert ledger.database.bytes() < before / 10
    ledger.close()


def test_infinity_is_kept(tmp_path: Path) -> None:
    registry = registry_at()
    registry.observe(DURATION, PLACE, math.inf)
    ledger = Ledger.open(tmp_path)
    ledger.commit(registry.hold())
    assert contents(ledger)["histograms"][PLACE][1] == math.inf
    ledger.close()


def test_the_log_does_not_grow_with_every_commit(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    sizes = []
    for number in range(40):
        rows = [("workflows", f"u{n}", bytes([number]) * 100) for n in range(1000)]
        ledger.commit(registry_at().hold(), rows)
        ledger.database.checkpoint()
        sizes.append(log_size(ledger.database.path))
    assert max(sizes) < 2 * sizes[9], "written again from its beginning"
    assert sizes[-1] < 20 << 20
    ledger.close()
