"""Samples for a Prometheus by remote write, which takes timestamps and stale markers as they are.

Backfilled OpenMetrics knows no stale markers: a gauge that went would be seen five minutes more.
https://prometheus.io/docs/concepts/remote_write_spec/, prompb/types.proto, and Snappy's block
format, of which only literals are needed.
"""

import http.client
import struct
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""What a scrape or a rule writes for a series that is gone."""

_MOST = 4_000_000  # bytes of a request
_LITERAL = 65_536
_STALE_BYTES = struct.pack("<Q", 0x7FF0000000000002)


class Series:
    """One series and the samples that have not been sent."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = b"".join(_field(1, _pair(*item)) for item in sorted(labels.items()))
        self.samples = bytearray()

    def add(self, when: bytes, value: float) -> None:
        """``when`` is what ``timestamp`` gives."""
        body = b"\x09" + struct.pack("<d", value) + when
        self.samples += bytes((0x12, len(body))) + body

    def end(self, when: bytes) -> None:
        """The series is gone. (A float would lose the marker's bits on some machines.)"""
        body = b"\x09" + _STALE_BYTES + when
        self.samples += bytes((0x12, len(body))) + body


def timestamp(seconds: float) -> bytes:
    """A sample's time, encoded once for all samples of a scrape."""
    return b"\x10" + _varint(round(seconds * 1000.0))


class Writer:
    """Sends to one Prometheus, which has to run with --web.enable-remote-write-receiver."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60.0)
        self.samples = 0

    def send(self, series: Iterable[Series]) -> None:
        """Everything not sent yet. Raises OSError, or ValueError when it is refused."""
        parts: list[bytes] = []
        size = 0
        for one in series:
            if not one.samples:
                continue
            part = _field(1, one.labels + one.samples)
            one.samples = bytearray()
            parts.append(part)
            size += len(part)
            if size > _MOST:
                self._post(b"".join(parts))
                parts, size = [], 0
        if parts:
            self._post(b"".join(parts))

    def close(self) -> None:
        self._connection.close()

    def _post(self, body: bytes) -> None:
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        self._connection.request("POST", "/api/v1/write", _snappy(body), headers)
        answer = self._connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status not in (200, 204):
            raise ValueError(f"remote write: {answer.status} {text.strip()}")


def _pair(name: str, value: str) -> bytes:
    return _field(1, name.encode()) + _field(2, value.encode())


def _field(number: int, body: bytes | bytearray) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _snappy(body: bytes) -> bytes:
    """Valid, and not smaller: the way is short."""
    parts = [_varint(len(body))]
    for begin in range(0, len(body), _LITERAL):
        piece = body[begin : begin + _LITERAL]
        parts.append(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(parts)
