"""What `kubectl get workflows,pods -A -o json` shows at the end: a newcomer's first look."""

import pytest

from argoscope.inspect.reading import read
from argoscope.inspect.replay import Replay
from support.recordings import recording

NOW = 1_795_360_000.0


def failures(name: str) -> dict[tuple[str, str], str]:
    """(namespace, pipeline) -> cause, of the pipelines that failed once."""
    folder = recording(name)
    problems: list[tuple[str, str, str]] = []
    replay = Replay(now=NOW, complain=lambda *problem: problems.append(problem))
    replay.objects(
        item
        for kind in ("workflows", "pods", "events")
        for item in read(str(folder / f"list-{kind}.json"), lambda *p: problems.append(p))
    )
    assert not [problem for problem in problems if "bug" in problem[2]]
    metric = replay.registry.metrics["argo_workflow_failures_total"]
    return {k[:2]: k[2] for k, value in replay.registry.samples(metric) if value}


@pytest.mark.parametrize("name", ["argo-4.1", "argo-3.6"])
def test_pods_of_the_same_list_explain_their_workflows(name: str) -> None:
    found = failures(name)
    # Its node says that the deadline passed; its pod, that the image's name is invalid.
    assert found["prod", "image-invalid"] == "image"
    assert found["ml", "oom"] == "oom"
    assert found["ml", "evicted"] == "evicted"
    assert found["ci", "exit-code"] == "exit_code"
    assert found["ci", "tmpl-deadline"] == "deadline"
