"""What makes no sense ends as the real controllers would end it, and harms nobody else."""

import contextlib
import copy
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from argoscope.simulator.deletion import Options
from argoscope.simulator.engine.argo import actions
from argoscope.simulator.engine.behaviour import ANNOTATION
from argoscope.simulator.engine.playing import apply
from argoscope.simulator.engine.world import World
from argoscope.simulator.lifecycle import Lifecycle
from argoscope.simulator.statuses import RefusedError

BEGIN = 1_795_353_180.0

Spec = dict[str, Any]


def good(**more: Any) -> Spec:
    container = {"image": "busybox", "command": ["sh", "-c"], "args": ["sleep 2"]}
    return {
        "entrypoint": "main",
        "templates": [{"name": "main", "container": container}],
        **more,
    }


def template(**more: Any) -> Spec:
    spec = good()
    spec["templates"][0] |= more
    return spec


def calls(**step: Any) -> Spec:
    spec = good(entrypoint="all")
    spec["templates"].append({"name": "all", "steps": [[{"name": "s", "template": "main"} | step]]})
    return spec


def runs(script: str, **more: Any) -> Spec:
    return template(container={"image": "busybox", "command": ["sh", "-c", script]}, **more)


def requests(cpu: Any) -> Spec:
    spec = good()
    spec["templates"][0]["container"]["resources"] = {"requests": {"cpu": cpu}}
    return spec


REF = {"name": "nope", "template": "t"}
BAD: dict[str, tuple[Spec, str]] = {
    "no templates": ({"entrypoint": "main"}, "template name 'main' undefined"),
    "no entrypoint": ({"templates": []}, "runtime error"),
    "templates that are none": (good(templates="x"), "invalid spec: Expected `array | null`"),
    "a parallelism that is none": (good(parallelism="many"), "invalid spec: Expected `int"),
    "a podGC that is none": (good(podGC="always"), "invalid spec: Expected `object"),
    "a TTL that is none": (good(ttlStrategy={"secondsAfterCompletion": "1d"}), "invalid spec"),
    "an unknown entrypoint": (good(entrypoint="other"), "template name 'other' undefined"),
    "an unknown exit handler": (good(onExit="other"), "template name 'other' undefined"),
    "an unknown template": (calls(template="other"), "template name 'other' undefined"),
    "an unknown templateRef": (
        calls(template=None, templateRef=REF),
        'workflowtemplates.argoproj.io "nope" not found',
    ),
    "an unknown workflowTemplateRef": (
        {"workflowTemplateRef": {"name": "nope"}},
        'workflowtemplates.argoproj.io "nope" not found',
    ),
    "items that are none": (calls(withItems=7), "runtime error: TypeError"),
    "a parameter without a value": (calls(withParam="{{steps.x.outputs.result}}"), "steps.x"),
    "a quantity that is none": (requests("lots"), "'lots' is no quantity"),
    "a behaviour that is none": (
        template(metadata={"annotations": {ANNOTATION: '{"secnods": 3}'}}),
        "unknown field `secnods`",
    ),
    "a behaviour that is no JSON": (
        template(metadata={"annotations": {ANNOTATION: "sleepy"}}),
        "the pod can't be run: JSON is malformed",
    ),
    "a sleep that is none": (runs("sleep nan"), "sleep nan: invalid time interval"),
    "a retry limit that is none": (template(retryStrategy={"limit": "x"}), ""),
}


def workflow(spec: Any, name: str = "bad") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ci"}, "spec": copy.deepcopy(spec)}


def status(world: World, name: str) -> dict[str, Any]:
    found = world.kernel.get("workflows", "ci", name)
    assert found is not None
    return dict(found.get("status") or {})


@pytest.mark.parametrize("case", BAD)
def test_a_bad_workflow_ends_with_a_message_and_others_go_on(case: str) -> None:
    spec, complaint = BAD[case]
    world = World(seed=1, start=BEGIN)
    actions.submit(world.kernel, workflow(spec))
    actions.submit(world.kernel, workflow(good(), "good"))
    world.run_until(BEGIN + 300.0)
    assert status(world, "good")["phase"] == "Succeeded"
    found = status(world, "bad")
    if case == "a retry limit that is none":  # it is asked for after a failure only
        assert found["phase"] == "Succeeded"
        return
    assert found["phase"] in ("Failed", "Error")
    assert complaint in found["message"]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "main", "{{x}}", "1s", "(("]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "template", "tasks", "command", "limit", "value"]), inner
        )
    ),
    max_leaves=6,
)
FIELDS = (
    *("entrypoint", "templates", "arguments", "hooks", "onExit", "parallelism", "synchronization"),
    *("ttlStrategy", "podGC", "podMetadata", "nodeSelector", "workflowTemplateRef", "suspend"),
    *("activeDeadlineSeconds", "shutdown", "volumes", "podPriority"),
)
PARTS = (
    *("metadata", "inputs", "steps", "dag", "container", "suspend", "retryStrategy", "http"),
    *("synchronization", "timeout", "activeDeadlineSeconds", "memoize", "nodeSelector", "volumes"),
)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    wide=st.dictionaries(st.sampled_from(FIELDS), junk, max_size=2),
    parts=st.dictionaries(st.sampled_from(PARTS), junk, max_size=2),
)
def test_garbage_in_a_spec_never_stops_the_cluster(wide: Spec, parts: Spec) -> None:
    world = World(seed=1, start=BEGIN)
    actions.submit(world.kernel, workflow(template(**parts) | wide))
    actions.submit(world.kernel, workflow(good(), "good"))
    world.run_until(BEGIN + 120.0)
    assert status(world, "good")["phase"] == "Succeeded"


def test_garbage_in_a_pod_harms_no_other() -> None:
    world = World(seed=1, start=BEGIN)
    for i, spec in enumerate(
        (
            {},
            {"containers": [{"name": "c"}]},
            {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "x"}}}]},
            {"containers": [{"name": "c", "image": "i"}], "priority": "high"},
            {"containers": [{"name": "c", "image": "i"}], "nodeSelector": "east"},
        )
    ):
        pod = {"metadata": {"name": f"p{i}", "namespace": "ci"}, "spec": spec}
        world.kernel.put("pods", pod)
    actions.submit(world.kernel, workflow(good(), "good"))
    world.run_until(BEGIN + 300.0)
    assert status(world, "good")["phase"] == "Succeeded"


@pytest.mark.parametrize("spec", [{}, {"entrypoint": 3}])
def test_a_cron_with_a_broken_workflow_goes_on_making_runs(spec: Any) -> None:
    world = cron_world(spec)
    runs = world.truth.of("cron_run")
    assert len(runs) == 5
    assert {line["phase"] for line in world.truth.of("workflow_ended")} <= {"Failed", "Error"}
    assert len(world.truth.of("workflow_ended")) == 5


def test_what_is_asked_for_at_no_time_leaves_the_rest_in_order() -> None:
    kernel, done = World(seed=1, start=BEGIN).kernel, []
    for seconds in (float("nan"), 5.0, 1.0, 4.0, 2.0, float("inf"), 3.0):
        with contextlib.suppress(ValueError):
            kernel.after(seconds, partial(done.append, seconds))
    kernel.run_until(BEGIN + 10.0)
    assert done == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_cron_whose_workflow_is_no_object_is_refused_each_time() -> None:
    world = cron_world("x")
    assert [line["why"] for line in world.truth.of("cron_missed")] == ["refused"] * 5


def cron_world(spec: Any) -> World:
    world = World(seed=1, start=BEGIN)
    cron = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "c", "namespace": "ci"},
        "spec": {"schedules": ["* * * * *"], "workflowSpec": spec},
    }
    apply(world.kernel, cron)
    world.run_until(BEGIN + 310.0)
    return world


def test_what_a_callback_raises_is_told_and_the_rest_goes_on() -> None:
    world = World(seed=1, start=BEGIN)
    problems: list[Exception] = []
    world.kernel.failed = problems.append

    def breaks() -> None:
        raise RuntimeError("a bug")

    world.at(BEGIN + 1.0, breaks)
    actions.submit(world.kernel, workflow(good(), "good"))
    world.run_until(BEGIN + 60.0)
    assert [str(problem) for problem in problems] == ["a bug"]
    assert status(world, "good")["phase"] == "Succeeded"


KINDS = ("workflows", "pods", "workflowtemplates", "cronworkflows", "events", "namespaces")
WRITES = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(("delete", "delete now", "suspend", "resume", "label", "annotate")),
        st.integers(0, 99),
        st.sampled_from((0.01, 0.4, 3.0, 11.0)),
    ),
    max_size=12,
)


@settings(max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(writes=WRITES)
def test_clients_write_at_any_moment_and_the_cluster_goes_on(
    writes: list[tuple[str, str, int, float]],
) -> None:
    world = cron_world(good())
    apply(world.kernel, TEMPLATE)
    server = Lifecycle(world.cluster)
    for i in range(3):
        spec = {"workflowTemplateRef": {"name": "t"}, "podGC": {"strategy": "OnPodSuccess"}}
        actions.submit(world.kernel, workflow(spec, f"w{i}"))
    for plural, what, which, pause in writes:
        world.run_until(world.kernel.now + pause)
        write(server, plural, what, which)
    actions.submit(world.kernel, workflow(good(), "good"))
    world.run_until(world.kernel.now + 300.0)
    assert status(world, "good")["phase"] == "Succeeded"
    assert all(machine.used_pods == 0 for machine in world.machines.by_name.values())


TEMPLATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "t", "namespace": "ci"},
    "spec": good(),
}


def write(server: Lifecycle, plural: str, what: str, which: int) -> None:
    """What a client of the API does to one of the objects that there are."""
    collection = server.cluster.collections[plural]
    keys = [key for key in collection.objects if "ci" in key]
    if not keys:
        return
    key = keys[which % len(keys)]
    kind = collection.kind
    with contextlib.suppress(RefusedError):  # what it does not let happen
        if what.startswith("delete"):
            options = Options(grace_seconds=0 if what == "delete now" else None)
            server.deletion.delete(kind, server.get(kind, *key), options)
        else:
            server.update(kind, *key, lambda obj: changed(obj, what))


def changed(obj: Any, what: str) -> Any:
    new = copy.deepcopy(obj)
    if what == "suspend":
        new.setdefault("spec", {})["suspend"] = True
    elif what == "resume":
        new.setdefault("spec", {}).pop("suspend", None)
    else:
        field = "labels" if what == "label" else "annotations"
        new["metadata"][field] = {"a": str(obj["metadata"]["resourceVersion"])}  # all others go
    return new
