"""Run attempts of real and drawn workflows, and what their traces must be in any case."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from argoscope.inspect.reading import Item, read
from argoscope.inspect.replay import Replay
from argoscope.resources._base import Options, TraceOptions
from argoscope.resources._pod_life import PodLife, PodTimes, pod_life
from argoscope.resources._time import unix
from argoscope.resources.world import EndedRun
from argoscope.traces.span import Span
from support.recordings import recording
from support.workflow_objects import BASE

EVERYTHING = Options(traces=TraceOptions(share=1.0))


@cache
def recorded_runs(name: str) -> tuple[EndedRun, ...]:
    """All run attempts of a recording, each with its trace."""
    replay, found = _replay(0.0)
    replay.recorded(read(str(recording(name)), lambda *_: None))
    return tuple(found)


def runs_of(path: Path, now: float) -> list[EndedRun]:
    """Those in a file of objects."""
    replay, found = _replay(now)
    replay.objects(read(str(path), lambda *_: None))
    return found


def _replay(now: float) -> tuple[Replay, list[EndedRun]]:
    replay = Replay(now=now, options=EVERYTHING, complain=lambda *_: None)
    found: list[EndedRun] = []
    replay.world.on_run_ended(found.append)
    return replay, found


def faults(spans: Iterable[Span]) -> list[str]:
    """What is wrong with a trace: parents that are absent, children that are not inside."""
    spans = list(spans)
    by_id = {span.id: span for span in spans}
    found = [] if len(by_id) == len(spans) else ["ids are not unique"]
    if [span for span in spans if not span.parent] != spans[:1]:
        found.append("the run is not the one root")
    for span in spans:
        where = f"{span.name} {span.attributes.get('argo.node.name', '')}"
        if span.start > span.end:
            found.append(f"{where} ends before it starts")
        if not span.name:
            found.append(f"{where} has no name")
        if not span.parent:
            continue
        parent = by_id.get(span.parent)
        if parent is None:
            found.append(f"{where} has a parent that is absent")
        elif not parent.start <= span.start <= span.end <= parent.end:
            found.append(f"{where} is not within {parent.name}")
        outside = [event for event in span.events if not span.start <= event.at <= span.end]
        found += [f"event {event.name} is not within {where}" for event in outside]
    return found


def drawn(spans: Iterable[Span]) -> list[str]:
    """A trace as text: depth, name, begin and length in seconds, what went wrong and what happened.

    Children follow their parent in the order of their starts.
    """
    spans = list(spans)
    inside: dict[bytes, list[Span]] = {}
    for span in spans:
        inside.setdefault(span.parent, []).append(span)
    lines: list[str] = []

    def draw(span: Span, depth: int) -> None:
        begin, length = (span.start - spans[0].start) / 1000, (span.end - span.start) / 1000
        marks = [f"{event.name}" for event in span.events]
        marks += ["ERROR"] if span.error is not None else []
        marks += [str(span.attributes["error.type"])] if "error.type" in span.attributes else []
        marks += [f"link:{link.attributes['argo.link.reason']}" for link in span.links]
        line = f"{'  ' * depth}{span.name} {begin:g}+{length:g}"
        lines.append(" ".join([line, *marks]))
        for child in sorted(
            inside.get(span.id, []), key=lambda one: (one.start, one.end, one.name)
        ):
            draw(child, depth + 1)

    draw(spans[0], 0)
    return lines


def ended(*objects: dict[str, Any], pods: bool = False) -> list[EndedRun]:
    """The run attempts of Workflows as dicts that have ended; with ``pods`` each Pod node had one
    that was scheduled after 1 s and whose main container ran from the second one to the end."""
    replay, found = _replay(BASE + 1000)
    for obj in objects if pods else ():
        nodes = obj["status"].get("nodes", {}).values()
        for node in nodes:
            if node["type"] == "Pod":
                key = ("ci", obj["metadata"]["name"])
                replay.world.pod_lives.add(key, node["id"], _life(node))
    replay.objects(_items(objects))
    return found


def replayed(options: Options, *objects: dict[str, Any]) -> Replay:
    """What came of Workflows as dicts."""
    replay = Replay(now=BASE + 1000, options=options, complain=lambda *_: None)
    replay.objects(_items(objects))
    return replay


def _items(objects: Iterable[dict[str, Any]]) -> list[Item]:
    return [
        Item(kind="Workflow", raw=json.dumps(obj).encode(), source="test", type="ADDED")
        for obj in objects
    ]


def _life(node: dict[str, Any]) -> PodLife:
    start = int(unix(node.get("startedAt")))
    end = int(unix(node.get("finishedAt")))
    times = PodTimes(
        created=start,
        scheduled=start + 1,
        main_start=start + 2,
        main_end=end,
        wait_end=end,
        last_end=end,
    )
    return pod_life(times)
