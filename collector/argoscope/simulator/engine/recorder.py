"""Kubernetes Events as components record them: one object per message, counted up."""

from argoscope.simulator.engine.kernel import Kernel, Object, stamp, unix

KEPT = 3600.0
"""Seconds after which the API server drops an Event that did not happen again (--event-ttl)."""


class Recorder:
    """Records Events about objects; the same reason and message again raises the count."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._known: dict[tuple[str, str, str], Object] = {}

    def event(
        self,
        kind: str,
        about: Object,
        reason: str,
        message: str,
        *,
        component: str,
        warning: bool = False,
        host: str = "",
        api_version: str = "v1",
        field_path: str = "",
    ) -> None:
        kernel, meta = self._kernel, about["metadata"]
        key = (meta["uid"], reason, message + field_path)
        known = self._known.get(key)
        if known is not None:
            known["count"] += 1
            known["lastTimestamp"] = stamp(kernel.now)
            kernel.put("events", known)
            return
        involved = {
            "apiVersion": api_version,
            "kind": kind,
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
            "uid": meta["uid"],
        }
        if field_path:
            involved["fieldPath"] = field_path
        source = {"component": component, **({"host": host} if host else {})}
        found: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{kernel.hex(16)}",
                "namespace": meta.get("namespace") or "default",
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": stamp(kernel.now),
            "lastTimestamp": stamp(kernel.now),
            "count": 1,
            "type": "Warning" if warning else "Normal",
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": host,
        }
        self._known[key] = found
        kernel.put("events", found)
        kernel.after(KEPT, lambda: self._expire(key))

    def _expire(self, key: tuple[str, str, str]) -> None:
        kernel, found = self._kernel, self._known[key]
        from_now = unix(found["lastTimestamp"]) + KEPT - kernel.now
        if from_now > 0:
            kernel.after(from_now + 1.0, lambda: self._expire(key))
            return
        del self._known[key]
        kernel.remove("events", found)
