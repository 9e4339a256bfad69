"""The load of a soak, as a process of its own: a simulated API server whose objects come and go.

First so many Workflows of 100 nodes, half of them running, with five pods each. Then, at a given
rate, new ones live: a Workflow of 100 nodes is made, its five pods go from Pending to Succeeded, it
ends, and the oldest one that has ended is deleted with its pods, so that there are always as many.
That is leaner than the engine, which would not leave a core for the daemon at this size.

Talks in JSON lines on stdout: the address, what it has done once a second, each mark, the end.
Begins with the first line on stdin, ends the load with the second one, and itself when stdin is
closed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "bench"), str(Path(__file__).parents[1])]

import cluster as synthetic  # noqa: E402

from argoscope.simulator.api_server import ApiServer  # noqa: E402
from support.scripted import objects as make  # noqa: E402

Object = dict[str, Any]

NODES = 100
PODS = 5
AT_ONCE = 200
"""Workflows whose events are interleaved."""
STEP = 0.02  # seconds between two batches of events
MARK_EVERY = 0.5
MARKS = 40
"""Pipelines that marks have in turn, so that series do not grow in number."""


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Load:
    """What lives in the cluster. ``sent`` counts events, ``ended`` runs that were seen to end."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._random = Random(7)
        self._index = 0
        self._over: deque[tuple[Object, list[Object]]] = deque()
        """Ended Workflows with their pods, the oldest first."""
        self.sent = self.ended = 0

    def fill(self, workflows: int) -> None:
        now = time.time()
        for number in range(workflows):
            found, pods = self._made(now - 3600.0 + number % 3000, running=number % 2 == 0)
            self._server.cluster.put("workflows", found)
            for pod in pods:
                self._server.cluster.put("pods", pod)
            if number % 2:
                self._over.append((_name_only(found), [_name_only(pod) for pod in pods]))

    def lives(self) -> Iterator[None]:
        """Events without end, one at a time, of many lives in turn."""
        living = [self._life() for _ in range(AT_ONCE)]
        while True:
            for slot in range(AT_ONCE):
                try:
                    next(living[slot])
                except StopIteration:
                    living[slot] = self._life()
                    next(living[slot])
                self.sent += 1
                yield

    def _life(self) -> Iterator[None]:
        put = self._server.cluster.put
        found, pods = self._made(time.time() - 5.0, running=True)
        put("workflows", found)
        yield
        for pod in pods:
            over = pod["status"]
            pod["status"] = {"phase": "Pending", "conditions": over["conditions"][:1]}
            put("pods", pod)
            yield
            pod["status"] = _running(over)
            put("pods", pod)
            yield
            pod["status"] = over
            put("pods", pod)
            yield
        found["metadata"]["labels"] = {"workflows.argoproj.io/phase": "Running"}
        put("workflows", found)
        yield
        _end(found)
        put("workflows", found)
        self.ended += 1
        yield
        self._over.append((_name_only(found), [_name_only(pod) for pod in pods]))
        oldest, its_pods = self._over.popleft()
        for pod in its_pods:
            self._server.cluster.remove("pods", pod)
            yield
        self._server.cluster.remove("workflows", oldest)
        yield

    def _made(self, created: float, *, running: bool) -> tuple[Object, list[Object]]:
        self._index += 1
        found = synthetic.workflow(
            self._index, NODES, self._random, running=running, created=created
        )
        return found, list(synthetic.pods_of(found, PODS, self._random, created=created + 1.0))


class Marks:
    """Workflows of pipelines that are watched for; removed before their name comes again."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._random = Random(8)
        self._count = 0
        self._there: dict[int, Object] = {}

    def make(self) -> None:
        slot = self._count % MARKS
        old = self._there.pop((slot + MARKS // 2) % MARKS, None)
        if old is not None:
            self._server.cluster.remove("workflows", old)
        found = synthetic.workflow(0, 3, self._random, running=True, created=time.time() - 1.0)
        meta = found["metadata"]
        meta |= {"namespace": "marks", "name": f"mark-{slot}-{self._count}"}
        meta["generateName"] = f"mark-{slot}-"
        self._server.cluster.put("workflows", found)
        self._there[slot] = found
        self._count += 1
        say(mark=slot, at=time.monotonic())


def _name_only(obj: Object) -> Object:
    meta = obj["metadata"]
    return {"metadata": {"name": meta["name"], "namespace": meta["namespace"]}}


def _running(over: Object) -> Object:
    started = over["containerStatuses"][0]["state"]["terminated"]["startedAt"]
    containers = [
        {"name": name, "state": {"running": {"startedAt": started}}} for name in ("main", "wait")
    ]
    return {**over, "phase": "Running", "containerStatuses": containers}


def _end(workflow: Object) -> None:
    now = make.stamp(time.time())
    for node in workflow["status"]["nodes"].values():
        if node["phase"] == "Running":
            node |= {"phase": "Succeeded", "finishedAt": now}
    workflow["status"] |= {"phase": "Succeeded", "finishedAt": now}


async def run(workflows: int, rate: float) -> None:
    async with ApiServer() as server:
        load, marks = Load(server), Marks(server)
        began = time.monotonic()
        load.fill(workflows)
        say(address=server.address, filled=time.monotonic() - began)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        if not await reader.readline():
            return
        stop = asyncio.create_task(reader.readline(), name="stop")
        await _churn(load, marks, rate, stop)
        say(sent=load.sent, ended=load.ended, over=True)
        await reader.read()


async def _churn(load: Load, marks: Marks, rate: float, stop: "asyncio.Task[bytes]") -> None:
    """Until there is a second line, or none any more."""
    events = load.lives()
    began = told = time.monotonic()
    next_mark = began + MARK_EVERY
    while not stop.done():
        now = time.monotonic()
        # Not longer than it then rests: who makes events faster than they can be sent, on a machine
        # that is busy, would starve the server that sends them, and the daemon would see the past.
        while load.sent < (now - began) * rate and time.monotonic() - now < STEP:
            next(events)
        if now >= next_mark:
            next_mark += MARK_EVERY
            marks.make()
        if now - told >= 1.0:
            told += 1.0
            say(sent=load.sent, ended=load.ended, at=now)
        await asyncio.sleep(STEP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(run(options.workflows, options.rate))


if __name__ == "__main__":
    main()
