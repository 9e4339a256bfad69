"""Lists, watches and tables as clients read them."""

import asyncio
from typing import Any

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.api_server.columns import duration
from argoscope.simulator.cluster import Cluster
from support.rest import PODS, WORKFLOWS, Rest, pod, workflow

ALL = "/apis/argoproj.io/v1alpha1/workflows"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def put(server: ApiServer, *names: str, **labels: str) -> None:
    for name in names:
        meta = {"namespace": "default", "labels": labels}
        server.cluster.put("workflows", workflow(name, metadata=meta))


def names(page: Any) -> list[str]:
    return [item["metadata"]["name"] for item in page["items"]]


async def test_pages_show_the_moment_of_the_first_however_many_lists_go_on(
    server: ApiServer, rest: Rest
) -> None:
    put(server, *"abcdefgh")
    first = []
    for number in range(12):  # more than are remembered
        first.append((await rest("GET", ALL, limit="3"))[1])
        server.cluster.remove("workflows", workflow("e", metadata={"namespace": "default"}))
        put(server, "b", "e", f"z{number}")
    for page in first:
        found, version = names(page), page["metadata"]["resourceVersion"]
        total = len(found) + page["metadata"]["remainingItemCount"]
        while token := page["metadata"].get("continue"):
            _, page = await rest("GET", ALL, **{"limit": "3", "continue": token})  # noqa: PLW2901
            assert page["metadata"]["resourceVersion"] == version
            found += names(page)
        assert found == sorted(found)
        assert len(found) == total


async def test_a_forgotten_page_goes_on_with_what_there_is_now(
    server: ApiServer, rest: Rest
) -> None:
    put(server, *"abcd")
    _, page = await rest("GET", ALL, limit="2")
    server.cluster.put("workflows", workflow("bb", metadata={"namespace": "default"}))
    server.compact()
    token = page["metadata"]["continue"]
    status, refused = await rest("GET", ALL, **{"limit": "2", "continue": token})
    assert (status, refused["reason"]) == (410, "Expired")
    token = refused["metadata"]["continue"]
    _, page = await rest("GET", ALL, **{"limit": "5", "continue": token})
    assert names(page) == ["bb", "c", "d"]


async def test_an_old_version_is_listed_exactly_while_it_is_remembered(
    server: ApiServer, rest: Rest
) -> None:
    put(server, "a", "b")
    then = str(server.cluster.version)
    put(server, "a", "c", now="yes")
    server.cluster.remove("workflows", workflow("b", metadata={"namespace": "default"}))
    exact = {"resourceVersion": then, "resourceVersionMatch": "Exact"}
    _, page = await rest("GET", ALL, **exact)
    assert (names(page), page["metadata"]["resourceVersion"]) == (["a", "b"], then)
    assert (
        "labels" not in page["items"][0]["metadata"] or not page["items"][0]["metadata"]["labels"]
    )
    _, page = await rest("GET", ALL, resourceVersion=then, resourceVersionMatch="NotOlderThan")
    assert names(page) == ["a", "c"]
    server.compact()
    assert (await rest("GET", ALL, **exact))[0] == 410


async def test_a_large_history_forgets_by_size(server: ApiServer, rest: Rest) -> None:
    put(server, "a")
    begin = str(server.cluster.version)
    filler = "x" * (8 << 20)
    for _ in range(10):
        large = workflow("large", metadata={"namespace": "default"}, filler=filler)
        server.cluster.put("workflows", large)
    assert len(server.cluster.collections["workflows"].changes) < 9
    async with rest.watch(ALL, resourceVersion=begin) as events:
        event = await events.next()
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_bookmarks_come_to_who_asks_for_them(server: ApiServer, rest: Rest) -> None:
    server.bookmark_seconds = 0.01
    put(server, "a")
    version = str(server.cluster.version)
    async with rest.watch(ALL, resourceVersion=version, allowWatchBookmarks="true") as events:
        event = await events.next()
        assert (event["type"], event["object"]["metadata"]["resourceVersion"]) == (
            *("BOOKMARK", version),
        )
    async with rest.watch(ALL, resourceVersion=version) as events:
        put(server, "b")
        assert await events.names(1) == [("ADDED", "b")]


async def test_one_object_can_be_watched_by_its_name(server: ApiServer, rest: Rest) -> None:
    put(server, "a", "b")
    async with rest.watch(ALL, fieldSelector="metadata.name=b") as events:
        put(server, "a", "b", again="yes")
        assert await events.names(2) == [("ADDED", "b"), ("MODIFIED", "b")]


async def test_ages_are_of_the_cluster_s_time() -> None:
    import aiohttp

    now = [1_800_000_000.0]
    async with (
        ApiServer(Cluster(clock=lambda: now[0])) as server,
        aiohttp.ClientSession(server.address) as session,
    ):
        rest = Rest(session)
        await rest("POST", PODS, pod("p"))
        now[0] += 5000
        _, table = await rest("GET", PODS, accept=TABLE)
        assert table["rows"][0]["cells"][:5] == ["p", "0/1", "Pending", "0", "83m"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, "Running"),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}],
            },
            "ErrImagePull",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}],
                "containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}],
            },
            "Init:0/1",
        ),
        (
            {
                "phase": "Failed",
                "containerStatuses": [
                    {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
                ],
            },
            "OOMKilled",
        ),
    ],
)
async def test_a_pod_s_status_is_what_kubectl_says(
    server: ApiServer, rest: Rest, status: Any, shown: str
) -> None:
    server.cluster.put("pods", pod("p", metadata={"namespace": "default"}, status=status))
    _, table = await rest("GET", PODS, accept=TABLE)
    assert table["rows"][0]["cells"][2] == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (600, "10m"), (10_799, "179m")),
        *((10_800, "3h"), (15_000, "4h10m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d")),
        *((180_000, "2d2h"), (700_000, "8d"), (86_400 * 800, "2y70d"), (-5, "<invalid>")),
    ],
)
def test_durations_read_as_kubectl_s(seconds: float, text: str) -> None:
    assert duration(seconds) == text


async def test_everything_that_is_served_is_discovered(rest: Rest) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    seen = set()
    for root in ("/api", "/apis"):
        _, found = await rest("GET", root, accept=aggregated)
        for group in found["items"]:
            for version in group["versions"]:
                for resource in version["resources"]:
                    seen.add((group["metadata"].get("name", ""), resource["resource"]))
    _, groups = await rest("GET", "/apis")
    listed = set()
    for group in ("", *(g["name"] for g in groups["groups"])):
        versions = ["v1alpha1"] if group == "argoproj.io" else ["v1"]
        path = f"/apis/{group}/{versions[0]}" if group else "/api/v1"
        _, resources = await rest("GET", path)
        listed |= {(group, r["name"]) for r in resources["resources"] if "/" not in r["name"]}
    assert seen == listed
    assert {("argoproj.io", "workflows"), ("", "pods"), ("apps", "replicasets")} <= seen
    assert WORKFLOWS  # the names above are paths of these


async def test_bookmarks_come_also_while_others_than_the_selected_change(
    server: ApiServer, rest: Rest
) -> None:
    server.bookmark_seconds = 0.3
    query = {"labelSelector": "team=ours", "allowWatchBookmarks": "true", "resourceVersion": "1000"}
    async with rest.watch(ALL, **query) as events:
        next_one = asyncio.create_task(events.next())
        while not next_one.done():
            put(server, "theirs")
            await asyncio.sleep(0.005)
            assert server.cluster.version < 2_000, "there was none among a thousand changes"
        bookmark = await next_one
    assert bookmark["type"] == "BOOKMARK"
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) > 1000


async def test_the_bookmark_at_the_end_of_a_streaming_list_covers_nothing_that_comes_after_it(
    server: ApiServer, rest: Rest
) -> None:
    large = {"argument": "x" * 50_000}  # more than sockets hold: others have their turn meanwhile
    for number in range(300):
        meta = {"namespace": "default", "annotations": large}
        server.cluster.put("workflows", workflow(f"a{number}", metadata=meta))

    async def change() -> None:
        while True:
            put(server, "e")
            await asyncio.sleep(0)

    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    changing = asyncio.create_task(change())
    try:
        async with rest.watch(ALL, allowWatchBookmarks="true", **query) as events:
            while (event := await events.next())["type"] != "BOOKMARK":
                pass
            after = await events.next()
    finally:
        changing.cancel()
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (event, after)]
    assert versions[1] == versions[0] + 1
