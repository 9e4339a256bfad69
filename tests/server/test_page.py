"""The landing page: answers from the registry, rendered on the server, everything escaped."""

from html.parser import HTMLParser

import msgspec
import pytest

from argoscope.metrics.internal import DECODE_ERRORS, EXPORT_FAILURES, SERIES_FOLDED
from argoscope.page.model import Summary
from argoscope.page.render import duration
from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope.watch.status import State
from support.api_server import EPOCH
from support.serving import Site, site, watching

EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """The visible text, and what would run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> tuple[str, Reader]:
    reader = Reader()
    reader.feed(html)
    return " ".join(" ".join(reader.text).split()), reader


async def page(served: Site) -> tuple[str, Reader]:
    served.registry.publish()
    status, html, _ = await served.get("/")
    assert status == 200
    return read(html)


def fill(served: Site, name: str = "build") -> None:
    """Something for every question, all of it called ``name``."""
    sink = served.registry
    own = ("ci", name)
    gauges = [
        (workflow.ACTIVE, (*own, "running"), 2.0),
        (workflow.ACTIVE, (*own, "waiting_lock"), 1.0),
        (workflow.NODES_BLOCKED, (*own, "quota"), 4.0),
        (workflow.SUSPENDED_OLDEST, own, EPOCH - 7200),
        (workflow.FAILED_7D, own, 3.0),
        (workflow.COMPLETED_7D, own, 12.0),
        (pod.PODS, ("ci", "Pending"), 5.0),
        (pod.PENDING, (*own, "Unschedulable: insufficient cpu"), 5.0),
        (cron.INFO, (*own, "0 3 * * *", "", "Allow"), 1.0),
        (cron.LAST_SCHEDULE, own, EPOCH - 3600),
        (cron.NEXT_SCHEDULE, own, EPOCH + 86_400 - 3600),
        (cron.CONSECUTIVE_FAILURES, own, 2.0),
        (cron.SUSPENDED, own, 0.0),
        (rollout.PHASE, (*own, "Paused"), 1.0),
        (rollout.PHASE, (*own, "Healthy"), 0.0),
        (rollout.PHASE_AGE, own, EPOCH - 95),
        (rollout.STEP, own, 2.0),
        (rollout.STEPS, own, 5.0),
        (rollout.WEIGHT, (*own, "canary"), 40.0),
    ]
    sink.own("everything", gauges)
    sink.count(workflow.FAILURES, (*own, "oom"), 2)
    sink.count(workflow.FAILURES, (*own, "stopped"), 9)
    sink.count(cron.MISSED_RUNS, (*own, "controller"), 1)
    for seconds in (10.0, 20.0, 60.0):
        sink.observe(workflow.TEMPLATE_DURATION, (*own, name, "Pod", "Succeeded"), seconds)
    sink.observe(workflow.TEMPLATE_DURATION, (*own, "approve", "Suspend", "Succeeded"), 9000.0)


async def test_every_question_is_answered_without_javascript() -> None:
    async with site([watching("workflows")], cluster="prod-eu") as served:
        fill(served)
        text, _ = await page(served)
    for answer in (
        "argoscope prod-eu",
        "ready",
        "2 running",
        "1 waiting for a lock",
        "3 failed in 7 days of 12 runs",
        "25 % · oom",
        "waiting for lock",
        "4 nodes held by quota",
        "suspended for 2 h",
        "5 pods waiting",
        "Unschedulable: insufficient cpu No node has enough unreserved cpu",
        "1 h ago never in 23 h",
        "failed 2 × in a row",
        "missed 1: controller",
        "Paused 1 min 35 s 2 of 5 40 %",
        "30 s – 3",
    ):
        assert answer in text, f"{answer!r} is not in: {text}"
    assert "approve" not in text, "how long people take is no template's duration"


@pytest.mark.parametrize("name", [EVIL, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a&b"])
async def test_a_name_is_only_ever_text(name: str) -> None:
    broken = watching("pods", state=State.FAILING, reason=name, stream=name)
    async with site([broken], cluster=name) as served:
        fill(served, name)
        served.registry.count(DECODE_ERRORS, (name, "malformed"))
        served.registry.publish()
        _, html, _ = await served.get("/")
        _, json, response = await served.get("/api/summary")
    text, reader = read(html)
    assert name in text
    assert reader.tags.count("script") == 1, "the page's own"
    assert reader.tags.count("img") == 1
    assert not [name for name, _ in reader.attributes if name.startswith(("on", "style"))]
    assert response.headers["Content-Type"].startswith("application/json")
    assert msgspec.json.decode(json, type=Summary).active.rows[0].pipeline == name


async def test_a_quiet_cluster_says_so() -> None:
    async with site([watching("workflows")]) as served:
        text, _ = await page(served)
    for said in (
        "Nothing runs and nothing waits.",
        "No run failed.",
        "No step has finished",
        "No pod waits.",
        "There are no CronWorkflows.",
        "Nothing is being released.",
    ):
        assert said in text
    assert "the daemon could not do" not in text


async def test_what_is_wrong_is_on_top() -> None:
    absent = watching("pods", state=State.FORBIDDEN, reason="grant get, list and watch on pods")
    async with site([absent]) as served:
        served.registry.count(EXPORT_FAILURES, ("otlp", "connection"), 7)
        served.registry.count(SERIES_FOLDED, ("argo_pods",), 2)
        text, _ = await page(served)
    assert "not ready" in text
    assert "pods grant get, list and watch on pods" in text
    assert "2 things the daemon could not do" in text
    assert "7 exports over otlp failed: connection" in text
    assert "argo_pods is over its series budget" in text


async def test_the_page_loads_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    async with site([watching("workflows")]) as served:
        fill(served)
        served.registry.publish()
        _, html, _ = await served.get("/")
        _, reader = read(html)
        links = [value for name, value in reader.attributes if name in ("src", "href")]
        for link in links:
            assert link is not None
            assert not link.startswith(("http", "/")), "a path of its own, also behind a proxy"
            status, text, _ = await served.get(f"/{link}")
            assert status == 200
            assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "style" not in {name for name, _ in reader.attributes}
    assert "<style" not in html


async def test_a_long_table_is_cut_and_says_what_is_left_out() -> None:
    async with site() as served:
        for number in range(30):
            gauge = (workflow.ACTIVE, ("ci", f"p{number:02}", "running"), float(number + 1))
            served.registry.own(f"p{number}", [gauge])
        text, _ = await page(served)
    assert "p29" in text
    assert "p21" not in text
    assert "and 22 more in argo_workflow_active" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.21, "4.2 s"),
        (4, "4 s"),
        (59.6, "1 min"),
        (200.0, "3 min 20 s"),
        (3600.0, "1 h"),
        (18_420.0, "5 h 7 min"),
        (183_600.0, "2 d 3 h"),
        (-3.0, "0.0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
