"""Events of pods: image pulls, mounts, sandboxes, preemption.

They only refine what the pods' statuses say, so they have no metrics of their own. The selection
is the server's: of the kubelet's and scheduler's many events those that say nothing more are left
out there. Events expire after an hour, and a busy kubelet sends them late or drops them.
"""

import re

import msgspec

from argoscope.resources import _reasons
from argoscope.resources._base import (
    ObjectMeta,
    Options,
    Resource,
    Seen,
    Selector,
    Sink,
    Unrecorded,
)
from argoscope.resources._time import unix
from argoscope.resources.world import PodEvent, World

_IGNORED = (
    "Scheduled",
    "FailedScheduling",  # the PodScheduled condition says it too
    "Created",
    "Started",
    "Killing",
    "Unhealthy",
    "BackOff",
)
_USED = frozenset(
    {
        "Pulling",
        "Pulled",
        "Failed",
        "FailedMount",
        "FailedAttachVolume",
        "FailedMapVolume",
        "FailedCreatePodSandBox",
        "NetworkNotReady",
        "Preempted",
    }
)


class InvolvedObject(msgspec.Struct, gc=False):
    kind: str = ""
    uid: str = ""


class EventSeries(msgspec.Struct, gc=False, rename="camel"):
    last_observed_time: str | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """A v1 Event."""

    metadata: ObjectMeta
    involved_object: InvolvedObject = msgspec.field(default_factory=InvolvedObject)
    reason: str | None = None
    message: str | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None


# "Successfully pulled image "x" in 1.2s (2.3s including waiting)"; 1.26 and older have no
# parenthesis. The waiting counts: it is what the pod waited for the image.
_PULLED = re.compile(r'Successfully pulled image .*" in (\S+?)(?: \((\S+) including|\.?$)')
_DURATION = re.compile(r"([\d.]+)(h|ms|m|us|µs|μs|ns|s)")
_SECONDS = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
}


def go_duration(text: str) -> float:
    """Seconds of a duration as Go prints it, ``1m13.1s``; 0.0 if there is none."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def pull_seconds(message: str) -> float:
    """How long a pull took by a Pulled event's message; 0.0 if the image was there."""
    match = _PULLED.match(message)
    return go_duration(match[2] or match[1]) if match else 0.0


class EventDeriver(Unrecorded):
    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del sink, options
        self._world = world

    def upsert(self, obj: Event, seen: Seen) -> None:
        reason = obj.reason or ""
        if reason not in _USED or obj.involved_object.kind != "Pod":
            return
        message = obj.message or ""
        error = ""
        if reason == "Failed":
            if not message.startswith("Failed to pull image "):
                return  # the status says the other failures
            error = _reasons.waiting("ErrImagePull", message.partition('": ')[2])
        series = unix(obj.series.last_observed_time) if obj.series else 0.0
        at = series or unix(obj.last_timestamp) or unix(obj.event_time) or seen.at
        self._world.pod_event(
            PodEvent(
                uid=obj.involved_object.uid,
                reason=reason,
                at=at,
                pull_seconds=pull_seconds(message) if reason == "Pulled" else 0.0,
                pull_error=error,
            )
        )

    def delete(self, uid: str, obj: Event | None, seen: Seen) -> None:
        """Events expire; what they told stays true."""

    def tick(self, now: float) -> None:
        """Nothing here depends on time."""


RESOURCE = Resource(
    name="events",
    group="",
    version="v1",
    plural="events",
    kind="Event",
    object_type=Event,
    metrics=(),
    derive=EventDeriver,
    selectors=(
        Selector(
            field=",".join(
                ["involvedObject.kind=Pod", *(f"reason!={reason}" for reason in _IGNORED)]
            )
        ),
    ),
    optional=True,
    order=55,
)
