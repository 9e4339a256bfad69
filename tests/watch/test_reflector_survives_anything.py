"""Whatever goes wrong, in any order: in the end the handler knows what the server holds.

``Deltas`` fails by itself on a version that comes twice, one that goes back, and a resurrection.
"""

import random

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster
from argoscope.simulator.faults import Fault
from support.api_server import Deltas, client_of, on_server, quiet, reflecting, thing, until

pytestmark = pytest.mark.looptime


def random_fault(rng: random.Random) -> Fault:
    refusals = [
        Fault(status=429, retry_after=rng.randint(0, 5)),
        Fault(status=rng.choice([401, 403, 404, 409, 410, 422, 500, 502, 503, 504])),
        Fault(verb="watch", status=504, cause="ResourceVersionTooLarge"),
        Fault(hang=True),
        Fault(body=b"<html>"),
    ]
    breaks = [
        Fault(verb="watch", cut=True),
        Fault(verb="watch", end=True),
        Fault(verb="watch", stall=True),
        Fault(verb="watch", error=rng.choice([410, 410, 500, 504])),
        Fault(verb="watch", duplicate=True),
        Fault(verb="watch", chunk=rng.randint(1, 300)),
        Fault(verb="watch", junk=rng.choice([b"junk", b'{"type":"NEWS","object":{}}'])),
    ]
    fault = rng.choice(refusals if rng.random() < 0.3 else breaks)
    fault.after = rng.randint(0, 12)
    fault.times = rng.choice([1, 1, 1, 2, 4])
    return fault


def change_something(rng: random.Random, cluster: Cluster) -> None:
    target = thing(f"w{rng.randrange(25)}", step=rng.randrange(1000))
    if rng.random() < 0.3:
        cluster.remove("workflows", target)
    else:
        cluster.put("workflows", target)


async def disturb(rng: random.Random, server: ApiServer) -> None:
    draw = rng.random()
    if draw < 0.25:
        server.fail(random_fault(rng))
    elif draw < 0.32:
        server.compact()
    elif draw < 0.36:
        await server.stop()
        for _ in range(rng.randrange(8)):
            change_something(rng, server.cluster)
        if rng.random() < 0.5:
            server.compact()
        await server.start()
    else:
        change_something(rng, server.cluster)


@pytest.mark.parametrize("seed", range(40))
async def test_the_objects_delivered_equal_the_servers(seed: int) -> None:
    rng = random.Random(seed)
    deltas = Deltas()
    async with ApiServer(Cluster(seed=seed, history=rng.choice([10, 1000]))) as server:
        server.streaming_lists = rng.random() < 0.6
        server.gone_as_status = rng.random() < 0.5
        server.bookmark_seconds = rng.choice([0.5, 20.0])
        for _ in range(rng.randrange(40)):
            change_something(rng, server.cluster)
        client = client_of(server, first_page=rng.choice([3, 50]), page_size=rng.choice([4, 500]))
        async with reflecting(client, deltas, seed=seed) as reflector:
            for _ in range(250):
                await disturb(rng, server)
                if rng.random() < 0.3:
                    await quiet(rng.randrange(60))
            server.faults.clear()
            await until(
                lambda: reflector.status.has_synced and deltas.live == on_server(server.cluster)
            )
            assert reflector.status.objects == len(deltas.live)
    bad = [problem for problem in deltas.problems if problem[0] != "oversized"]
    assert bad == []
