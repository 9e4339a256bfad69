"""Pods and their events to lives, and to what is said about images and machines."""

import re

import msgspec

from argoscope.advice.evidence import PodFacts, Pull
from argoscope.explain.objects import Objects
from argoscope.inspect.reading import Complain
from argoscope.resources import _reasons
from argoscope.resources._time import unix
from argoscope.resources.event import pull_seconds
from argoscope.resources.pod import _object, _pending
from argoscope.resources.pod._timeline import Record, absorb, add_pull, life
from argoscope.resources.world import Key, PodEnd

_SIZE = re.compile(r"Image size: (\d+) bytes")
_IMAGE = re.compile(r'image "([^"]+)"')


class _Series(msgspec.Struct, gc=False, rename="camel"):
    last_observed_time: str | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    reason: str | None = None
    message: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: _Series | None = None


_decode_pod = msgspec.json.Decoder(_object.Pod).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def pods_of(
    objects: Objects, run: Key, now: float, complain: Complain
) -> dict[str, tuple[PodFacts, ...]]:
    """Node id -> its pods, in the order of their creation."""
    found: dict[str, list[PodFacts]] = {}
    for raw in objects.pods.get(run, ()):
        try:
            pod = _decode_pod(raw)
        except msgspec.MsgspecError as error:
            complain(f"{run[0]}/{run[1]}", "Pod", f"can't be read: {error}")
            continue
        meta = pod.metadata
        named = meta.annotations.node_id if meta.annotations else ""
        node = named or _object.node_id(meta.name, run[1])
        if node:
            facts = _facts(raw, pod, run, objects.events.get((run[0], meta.name), ()), now)
            found.setdefault(node, []).append(facts)
    return {
        node: tuple(sorted(pods, key=lambda pod: pod.life.created)) for node, pods in found.items()
    }


def _facts(
    raw: bytes, pod: _object.Pod, run: Key, events: list[bytes] | tuple[()], now: float
) -> PodFacts:
    meta = pod.metadata
    record = Record(
        namespace=run[0],
        name=meta.name,
        workflow=run[1],
        template="",
        phase=pod.status.phase,
        created=unix(meta.creation_timestamp),
    )
    unscheduled = absorb(record, pod)
    if not record.main_start and pod.status.phase == "Pending":
        reason, _ = _pending.waiting_for(record, pod, unscheduled, now)
        if reason not in _reasons.PASSING:
            _pending.blame(record, reason)
    pulls, errors = [], []
    for encoded in events:
        try:
            event = _decode_event(encoded)
        except msgspec.MsgspecError:
            continue  # an event only adds to what the statuses say
        message = event.message or ""
        if event.reason == "Pulled" and (seconds := pull_seconds(message)):
            size, image = _SIZE.search(message), _IMAGE.search(message)
            pulls.append(Pull(image[1] if image else "", seconds, int(size[1]) if size else 0))
            at = _when(event)
            if not record.main_start or at - seconds < record.main_start:
                add_pull(record, at - seconds, at)
        elif event.reason == "FailedScheduling":
            record.schedule_reason = record.schedule_reason or _reasons.unschedulable(message)
        elif trouble := _trouble(event.reason or "", message):
            if _reasons.is_image(trouble):
                errors.append(trouble)
            if record.startup_reason in ("", *_reasons.VAGUE):
                record.startup_reason = trouble
    if not record.main_start and not record.startup_reason and pod.status.phase == "Failed":
        # A status that has failed tells no longer what it had waited for.
        record.startup_reason = _reasons.CREATING
    end = PodEnd(finished=record.last_end, cause=record.cause)
    return PodFacts(meta.name, pod.spec.node_name or "", raw, life(record), end, pulls, errors)


def _trouble(reason: str, message: str) -> str:
    """What keeps a container from starting, by an event; empty for nothing."""
    if reason != "Failed":
        told = _reasons.event(reason)
        return "" if told in _reasons.PASSING else told
    if message.startswith("Failed to pull image "):
        return _reasons.waiting("ErrImagePull", message.partition('": ')[2])
    error = message.removeprefix("Error: ")
    if error in _reasons.ADVICE or error in _reasons.VAGUE:
        return error
    found = _reasons.waiting("CreateContainerConfigError", error)
    return "" if found.endswith(": other") or error == message else found


def _when(event: _Event) -> float:
    series = unix(event.series.last_observed_time) if event.series else 0.0
    return series or unix(event.last_timestamp) or unix(event.event_time)
