"""Whatever is submitted, and whatever people do to it: all work ends, and nothing is kept."""

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from argoscope.simulator.engine.argo import actions
from argoscope.simulator.engine.behaviour import ANNOTATION
from argoscope.simulator.engine.machines import Machine
from argoscope.simulator.engine.pods import delete_pod
from argoscope.simulator.engine.world import Plan, World

BEGIN = 1_795_353_180.0
DAY = 86_400.0
CONCLUSIVE = ("Succeeded", "Failed", "Error")
LEAVES = ("work", "fail", "flaky", "wait", "locked", "counted", "slow", "oom")

Spec = dict[str, Any]


def pod_template(name: str, behaviour: str, *, cpu: str = "1", **more: Any) -> Spec:
    requests = {"cpu": cpu, "memory": "1Gi"}
    container = {"image": "busybox", "command": ["work"], "resources": {"requests": requests}}
    metadata = {"annotations": {ANNOTATION: behaviour}}
    return {"name": name, "metadata": metadata, "container": container, **more}


MUTEX = {"mutexes": [{"name": "m"}]}
SEMAPHORE = {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "two"}}]}
BACKOFF = {"limit": "2", "retryPolicy": "Always", "backoff": {"duration": "5", "factor": 2}}
TEMPLATES: list[Spec] = [
    pod_template("work", '{"seconds": [1, 40]}'),
    pod_template("fail", '{"seconds": 3, "exit": 1}'),
    pod_template("flaky", '{"seconds": 3, "exit": 1, "fails": 0.6}', retryStrategy=BACKOFF),
    pod_template("locked", '{"seconds": 9}', synchronization=MUTEX),
    pod_template("counted", '{"seconds": 9}', synchronization=SEMAPHORE),
    pod_template("slow", '{"seconds": 300}', activeDeadlineSeconds=60),
    pod_template("oom", '{"oom": 0.5, "oom_after": 4}', retryStrategy={"limit": 1}),
    pod_template("daemon", '{"seconds": null}', cpu="1m", daemon=True),  # else they block the rest
    {"name": "wait", "suspend": {"duration": "25s"}},
]

leaf = st.sampled_from(LEAVES)
call = st.tuples(
    st.sampled_from((*LEAVES, "daemon", "inner")),
    st.sampled_from(("", "withItems", "withSequence")),
    st.sampled_from((None, "fail", "work")),
    st.booleans(),
    st.sampled_from(("", "1 == 1", "1 == 2")),
)


def called(name: str, drawn: tuple[str, str, str | None, bool, str]) -> Spec:
    template, loop, hook, goes_on, when = drawn
    found: Spec = {"name": name, "template": template}
    if loop == "withItems":
        found["withItems"] = ["a", {"b": 1}, 3]
    elif loop == "withSequence":
        found["withSequence"] = {"count": 2}
    if hook:
        status = f'steps["{name}"].status == "Failed"'
        found["hooks"] = {"exit": {"template": hook}, "told": {"template": hook}}
        found["hooks"]["told"]["expression"] = status
    if goes_on:
        found["continueOn"] = {"failed": True}
    if when:
        found["when"] = when
    return found


@st.composite
def entrypoints(draw: st.DrawFn, name: str) -> Spec:
    """A template of steps or of a DAG whose tasks depend on earlier ones."""
    calls = draw(st.lists(call, min_size=1, max_size=5))
    if name == "inner":
        calls = [("work", *c[1:]) if c[0] == "inner" else c for c in calls]
    if draw(st.booleans()):
        groups = [[called(f"s{i}", c)] for i, c in enumerate(calls)]
        if len(groups) > 1 and draw(st.booleans()):
            groups = [groups[0] + groups[1], *groups[2:]]
        return {"name": name, "steps": groups}
    tasks = []
    for i, drawn in enumerate(calls):
        task = called(f"t{i}", drawn)
        task.pop("continueOn", None)
        needs = draw(st.lists(st.integers(0, i - 1), max_size=2, unique=True)) if i else []
        joined = draw(st.sampled_from((" && ", " || ")))
        result = draw(st.sampled_from(("", ".Succeeded", ".Failed", ".AnySucceeded")))
        if needs:
            task["depends"] = joined.join(f"t{need}{result}" for need in needs)
        tasks.append(task)
    return {"name": name, "dag": {"tasks": tasks}}


wide = st.fixed_dictionaries(
    {},
    optional={
        "parallelism": st.integers(1, 3),
        "onExit": leaf,
        "activeDeadlineSeconds": st.sampled_from((20, 200)),
        "synchronization": st.sampled_from((MUTEX, SEMAPHORE)),
        "podGC": st.sampled_from(("OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion")).map(
            lambda strategy: {"strategy": strategy}
        ),
    },
)


@st.composite
def workflows(draw: st.DrawFn) -> Spec:
    main, inner = draw(entrypoints("main")), draw(entrypoints("inner"))
    spec = {
        "entrypoint": "main",
        "ttlStrategy": {"secondsAfterCompletion": 3600},
        **draw(wide),
        "templates": [*TEMPLATES, main, inner],
    }
    mine = spec.get("synchronization")
    if mine:  # a step must not wait for what its own workflow holds
        spec["templates"] = [
            {k: v for k, v in t.items() if k != "synchronization"} for t in spec["templates"]
        ]
    return {"metadata": {"generateName": "w-", "namespace": "ci"}, "spec": spec}


def on_one(do: Callable[..., Any], ended: bool) -> Callable[[World, int], None]:
    """An action on one of the workflows that have ended, or that have not."""

    def act(world: World, which: int) -> None:
        found = []
        for key in world.cluster.collections["workflows"].objects:
            workflow = world.kernel.get("workflows", *key)
            phase = ((workflow or {}).get("status") or {}).get("phase")
            if (phase in CONCLUSIVE) is ended and (not ended or phase != "Succeeded"):
                found.append(key)
        if found:
            do(world.kernel, *found[which % len(found)])

    return act


def kill_pod(world: World, which: int) -> None:
    found = list(world.cluster.collections["pods"].objects)
    pod = world.kernel.get("pods", *found[which % len(found)]) if found else None
    if pod is not None:
        delete_pod(world.kernel, pod)


def take_machine(world: World, which: int) -> None:
    del which
    machine = world.machines.by_name.get("node-2")
    if machine is not None:
        world.kubelet.shut_down(machine)


ACTIONS: dict[str, Callable[[World, int], None]] = {
    "stop": on_one(actions.stop, ended=False),
    "terminate": on_one(actions.terminate, ended=False),
    "suspend": on_one(actions.suspend, ended=False),
    "resume": on_one(actions.resume, ended=False),
    "delete": on_one(actions.delete, ended=False),
    "retry": on_one(actions.retry, ended=True),
    "resubmit": on_one(actions.resubmit, ended=True),
    "delete pod": kill_pod,
    "take machine": take_machine,
    "restart": lambda world, which: world.restart_argo(5.0 + which),
}
acts = st.lists(
    st.tuples(
        st.sampled_from(sorted(ACTIONS)), st.integers(0, 9), st.sampled_from((0.03, 1.0, 7.0, 45.0))
    ),
    max_size=6,
)


def new_world(argo: str, seed: int) -> World:
    plan = Plan(
        argo=argo,
        nodes=(Machine("node-1", cpu=5), Machine("node-2", cpu=3)),
        semaphores={"ci/ConfigMap/limits/two": 2},
    )
    return World(plan, seed=seed, start=BEGIN)


def play(argo: str, seed: int, specs: list[Spec], done: list[tuple[str, int, float]]) -> World:
    world = new_world(argo, seed)
    for spec in specs:
        actions.submit(world.kernel, spec)
    for name, which, pause in done:
        world.run_until(world.kernel.now + pause)
        ACTIONS[name](world, which)
    for key in list(world.cluster.collections["workflows"].objects):
        with contextlib.suppress(LookupError):  # what is suspended would wait for ever
            actions.resume(world.kernel, *key)
    world.run_until(world.kernel.now + 3500.0)
    return world


def bytes_of(world: World) -> dict[str, list[bytes]]:
    kinds = world.cluster.collections
    return {plural: [c.new.json for c in found.changes] for plural, found in kinds.items()}


many = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking plays days again and again: minutes
)


@many
@given(
    argo=st.sampled_from(("4.1", "3.6", "3.5")),
    seed=st.integers(0, 1000),
    specs=st.lists(workflows(), min_size=1, max_size=3),
    done=acts,
)
def test_all_work_comes_to_an_end_and_gives_back_what_it_held(
    argo: str, seed: int, specs: list[Spec], done: list[tuple[str, int, float]]
) -> None:
    world = play(argo, seed, specs, done)
    assert_concluded(world)
    assert_free(world)
    world.run_until(world.kernel.now + DAY)
    assert_gone(world)


def assert_concluded(world: World) -> None:
    for key in world.cluster.collections["workflows"].objects:
        workflow = world.kernel.get("workflows", *key)
        assert workflow is not None
        status = workflow["status"]
        assert status["phase"] in CONCLUSIVE, (key, status.get("message"), status.get("nodes"))
        assert status["finishedAt"]
        assert "runtime error" not in status.get("message", ""), status["message"]
        running = [n for n in status.get("nodes", {}).values() if n["phase"] == "Running"]
        assert not running, (key, status["phase"], status.get("message"), running)
        world.kernel.forget("workflows", workflow)


def assert_free(world: World) -> None:
    for name in ("ci/Mutex/m", "ci/ConfigMap/limits/two"):
        lock = world.workflows.locks.lock(name)
        assert lock is None or not (lock.holders or lock.waiting)
    for machine in world.machines.by_name.values():
        assert (machine.used_pods, round(machine.used_cpu, 6), machine.used_memory) == (0, 0, 0)


def assert_gone(world: World) -> None:
    """A day later neither the API nor the engine's tables keep anything of it."""
    for plural in ("workflows", "pods", "events"):
        assert not world.cluster.collections[plural].objects, plural
    assert world.kernel.live("workflows", "pods", "events") == 0


@settings(many, max_examples=4)
@given(specs=st.lists(workflows(), min_size=1, max_size=2), done=acts)
def test_a_seed_gives_the_same_bytes(specs: list[Spec], done: list[tuple[str, int, float]]) -> None:
    first, again = (play("4.1", 7, specs, done) for _ in range(2))
    assert first.truth.lines == again.truth.lines
    assert bytes_of(first) == bytes_of(again)
