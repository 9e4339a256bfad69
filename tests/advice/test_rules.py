"""Each rule fires on a case made for it, and not on one that just misses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from argoscope.advice.advising import advise, all_rules
from argoscope.advice.evidence import Evidence, Pull, Usage
from argoscope.advice.requests import quantity
from support.evidence import BEGIN, GOOD, container, evidence, step, templates

GIB = 2**30
DOCS = Path(__file__).parents[2] / "docs" / "advice.md"


def chain(count: int, *, work: float = 5, pause: float = 12) -> Evidence:
    """Steps one after another, each with a pause and 4 s of set-up before its work."""
    steps, parts, at = [], [], 0.0
    for number in range(count):
        steps.append(step(number, start=at, work=work))
        parts += [("gap", pause, f"wf-{number}"), ("prepare", 4, f"wf-{number}")]
        parts.append(("main", work, f"wf-{number}"))
        at += pause + 4 + work
    return evidence(steps, parts)


def fan_out(count: int, *, startup: float = 20, work: float = 5) -> Evidence:
    return evidence([step(n, startup=startup, work=work) for n in range(count)])


def share(cause: str, seconds: float, *, of: float = 600, node: str = "wf-0") -> Evidence:
    return evidence((), [(cause, seconds, node), ("main", of - seconds, "wf-0")])


def images(count: int) -> Evidence:
    made = [{**container(image=f"team/i{n}:1"), "name": f"t{n}"} for n in range(count)]
    return evidence(spec=templates(*made))


def parameter(length: int) -> Evidence:
    value = {"parameters": [{"name": "list", "value": "x" * length}]}
    return evidence(spec={**GOOD, "arguments": value})


def used(cpu: float | None, memory: float | None) -> Evidence:
    """Of 1 core and 1 GiB."""
    return evidence(usage=(Usage("main", cpu, memory),))


def overlapping(seconds: float, policy: str = "Allow") -> Evidence:
    other = (BEGIN + 600 - seconds, BEGIN + 1200)
    return evidence(cron="nightly", cron_runs=(other,), cron_policy=policy)


def pauses(count: int, seconds: float) -> Evidence:
    parts = []
    for number in range(count):
        parts += [("gap", seconds, f"n{number}"), ("main", 20, f"n{number}")]
    return evidence((), parts)


def without(key: str, pods: int = 1) -> Evidence:
    spec = {name: value for name, value in GOOD.items() if name != key}
    return evidence([step(n) for n in range(pods)], spec=spec)


def started_at_once(count: int, parallelism: int = 0, apart: float = 0.0) -> Evidence:
    steps = [step(n, start=n * apart) for n in range(count)]
    return evidence(steps, parallelism=parallelism)


CASES: dict[str, tuple[Callable[[], Evidence], Callable[[], Evidence], str]] = {
    "big-parameters": (
        lambda: parameter(32 * 1024), lambda: parameter(32 * 1024 - 1), "arguments/list (32 KiB)",
    ),
    "container-lifecycle-hooks": (
        lambda: evidence(spec=templates(container(lifecycle={"preStop": {}}))),
        lambda: evidence(spec=templates(container(lifecycle={}))), "main/main",
    ),
    "cron-overlaps": (
        lambda: overlapping(60), lambda: overlapping(60, "Forbid"), "1 other run of nightly",
    ),
    "huge-images": (
        lambda: evidence(pulls=[Pull("ml/model:1", 60, 2 * GIB)]),
        lambda: evidence(pulls=[Pull("ml/model:1", 60, 2 * GIB - 1)]), "ml/model:1 with 2.0 GiB",
    ),
    "large-artifacts": (lambda: share("init", 130), lambda: share("init", 110), "2 min 10 s"),
    "many-images": (lambda: images(15), lambda: images(14), "15 images"),
    "missing-requests": (
        lambda: evidence(spec=templates({
            **container(), "initContainers": [{"name": "fetch", "image": "a:1"}],
        })),
        lambda: evidence(spec=templates({
            **container(), "initContainers": [
                {"name": "fetch", "image": "a:1",
                 "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
            ],
        })),
        "main/fetch (cpu and memory)",
    ),
    "mutable-tags": (
        lambda: evidence(spec=templates(container(image="registry:5000/build"))),
        lambda: evidence(spec=templates(container(image="build:latest@sha256:0abc"))),
        "registry:5000/build in main",
    ),
    "no-pod-gc": (lambda: without("podGC", 6), lambda: without("podGC", 5), "6 finished pods"),
    "no-ttl": (lambda: without("ttlStrategy"), evidence, "Neither"),
    "object-near-limit": (
        lambda: evidence(size=2**20), lambda: evidence(size=2**20 - 1), "1.0 MiB of JSON",
    ),
    "oversized-requests": (
        lambda: used(0.2, 0.9 * GIB), lambda: used(0.3, 0.3 * GIB), "asks for 1 CPU and used 0.2",
    ),
    "parallelism-too-low": (
        lambda: share("queue", 130), lambda: share("queue", 130, node=""), "held 1 step",
    ),
    "parallelism-unlimited": (
        lambda: started_at_once(300), lambda: started_at_once(300, parallelism=50),
        "300 steps were started within 10 s",
    ),
    "registry-rate-limit": (
        lambda: evidence(errors=["ErrImagePull: rate limited"]),
        lambda: evidence(errors=["ErrImagePull: not found"]), "1 step",
    ),
    "short-steps-in-a-row": (lambda: chain(3), lambda: chain(2), "3 steps one after another"),
    "slow-controller": (lambda: pauses(5, 13), lambda: pauses(3, 30), "5 pauses"),
    "slow-image-pulls": (lambda: share("pull", 100), lambda: share("pull", 80), "17% of its time"),
    "spot-evictions": (
        lambda: evidence(end_cause="evicted", spot_nodes=frozenset({"node-a"})),
        lambda: evidence(end_cause="oom"), "1 pod evicted, 1 of them on spot nodes",
    ),
    "startup-longer-than-work": (lambda: fan_out(5), lambda: fan_out(4), "20 s to start and 5 s"),
    "too-many-nodes": (
        lambda: started_at_once(1000, apart=1), lambda: started_at_once(999, apart=1), "1,000",
    ),
    "too-many-stored": (lambda: evidence(stored=500), lambda: evidence(stored=499), "500 finished"),
    "undersized-requests": (
        lambda: used(1.0, 1.3 * GIB), lambda: used(1.1, 1.1 * GIB), "used 1.3 GiB",
    ),
    "unschedulable": (
        lambda: evidence((), [
            ("schedule", 100, "wf-0", "Unschedulable: insufficient cpu"), ("main", 500, "wf-0"),
        ]),
        lambda: share("schedule", 59, of=100), "Unschedulable: insufficient cpu",
    ),
    "wasteful-retries": (lambda: share("retry", 70), lambda: share("retry", 50), "12% of the run"),
}  # fmt: skip
"""Rule -> (a case in which it fires, one that just misses, what the evidence says)."""


def test_every_rule_has_its_case() -> None:
    assert set(CASES) == {rule.id for rule in all_rules()}


@pytest.mark.parametrize("rule", CASES)
def test_it_fires_with_its_numbers(rule: str) -> None:
    made, _, said = CASES[rule]
    (finding,) = [found for found in advise(made()) if found.rule.id == rule]
    assert said in finding.found.evidence
    assert finding.found.saves or finding.found.saves_seconds > 0


@pytest.mark.parametrize("rule", CASES)
def test_it_stays_silent_just_below(rule: str) -> None:
    _, missed, _ = CASES[rule]
    assert rule not in {found.rule.id for found in advise(missed())}


@pytest.mark.parametrize("rule", CASES)
def test_it_can_be_silenced(rule: str) -> None:
    made, _, _ = CASES[rule]
    assert rule not in {found.rule.id for found in advise(made(), silenced=[rule])}


def test_about_a_good_run_there_is_nothing_to_say() -> None:
    assert advise(evidence()) == []


def test_a_cron_keeps_few_of_its_runs_without_a_ttl() -> None:
    spec = {key: value for key, value in GOOD.items() if key != "ttlStrategy"}
    assert advise(evidence(spec=spec, cron="nightly")) == []


def test_an_image_that_does_not_exist_is_no_slow_one() -> None:
    parts = [("pull", 300, "wf-0", "ErrImagePull: not found"), ("main", 10, "wf-0")]
    assert advise(evidence((), parts)) == []


def test_the_attempts_of_one_step_are_no_steps_in_a_row() -> None:
    steps = [step(number, start=number * 30, work=1) for number in range(4)]
    parts = [("retry", 5.0, "wf-0")]
    for number in range(1, 4):
        parts += [("backoff", 24.0, f"wf-{number}"), ("retry", 5.0, f"wf-{number}")]
    parts[-1:] = [("prepare", 4.0, "wf-3"), ("main", 1.0, "wf-3")]
    assert [found.rule.id for found in advise(evidence(steps, parts))] == ["wasteful-retries"]


def test_evidence_names_lost_attempts_in_their_order() -> None:
    steps = [step(number, start=number * 30, template=f"t{number}") for number in range(9)]
    run = evidence(steps, [("retry", 60.0, f"wf-{number}") for number in range(9)])
    (found,) = advise(run)
    assert "(t0, t1, t2 and 6 more)" in found.found.evidence


def test_what_prometheus_does_not_know_is_not_taken_for_zero() -> None:
    assert advise(used(None, 0.8 * GIB)) == []
    assert advise(used(0.8, None)) == []


def test_requests_that_a_template_patches_in_are_neither_missing_nor_known() -> None:
    patch = '{"containers": [{"name": "main", "resources": {"requests": {"cpu": 8, "memory": 1}}}]}'
    bare = {"name": "main", "container": {"image": "a:1"}, "podSpecPatch": patch}
    assert advise(evidence(spec=templates(bare))) == []
    small = {**container(), "podSpecPatch": patch}
    assert advise(evidence(spec=templates(small), usage=(Usage("main", 4, 4 * GIB),))) == []


def test_of_a_container_set_only_main_is_held_against_what_main_used() -> None:
    def part(name: str, cpu: str) -> dict[str, object]:
        asked = {"requests": {"cpu": cpu, "memory": "1Gi"}}
        return {"name": name, "image": "a:1", "resources": asked}

    def of(*parts: dict[str, object]) -> dict[str, object]:
        return templates({"name": "main", "containerSet": {"containers": [*parts]}})

    spec = of(part("main", "1"), part("db", "8"))
    assert advise(evidence(spec=spec, usage=(Usage("main", 1, GIB),))) == []
    (found,) = advise(evidence(spec=of(part("main", "1"), {"name": "db", "image": "a:1"})))
    assert "main/db (cpu and memory)" in found.found.evidence


def test_what_saves_most_time_comes_first() -> None:
    run = evidence((), [("pull", 100, "wf-0"), ("retry", 90, "wf-0"), ("main", 200, "wf-0")])
    assert [found.rule.id for found in advise(run)] == ["slow-image-pulls", "wasteful-retries"]


@pytest.mark.parametrize(
    "spec",
    [
        {"templates": "none"},
        {"templates": [1, None, {"name": 5, "container": []}]},
        {"templates": [{"container": {"image": 7, "resources": "x", "lifecycle": 1}}]},
        {"templates": [{"sidecars": {"a": 1}, "inputs": {"parameters": [{"value": 5}]}}]},
        {"arguments": {"parameters": {}}, "podSpecPatch": 5, "templateDefaults": []},
    ],
)
def test_manifests_of_any_shape_are_borne(spec: dict[str, object]) -> None:
    advise(evidence(spec=spec))


def test_quantities_are_those_of_kubernetes() -> None:
    assert [quantity(q) for q in ("500m", "2", 3, "1.5Gi", "100M", "x", "")] == [
        0.5, 2, 3, 1.5 * GIB, 1e8, 0, 0,
    ]  # fmt: skip
