"""The exposition: Prometheus text or OpenMetrics, plain or gzip.

A gzip body is one member (not all clients read several): deflate blocks that end at a byte, one
piece a shard, kept until the shard changes, with the CRC-32 of the whole combined from theirs.
Of histograms these pieces, a tenth of the text, are all that is kept.
"""

import asyncio
import time
from collections.abc import Iterator
from struct import pack

from isal import isal_zlib
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from argoscope.export.process import process_registry
from argoscope.metrics.model import Instrument
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import AnyFamily, Gauge, Packed, ScalarShard, Shard
from argoscope.metrics.text import header, number

_OPENMETRICS = "application/openmetrics-text"
_LEVEL = 0  # of 0 to 3: level 1 takes a third off the size and doubles the time of small pieces
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # no time, fastest, unknown system
_LAST_BLOCK = b"\x03\x00"
_SLICE = 0.005  # seconds that compressing may keep the event loop at a time


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether the header Accept-Encoding (RFC 9110) allows gzip."""
    weights = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        weights[coding.strip()] = parameter.replace(" ", "")
    parameter = weights.get("gzip", weights.get("*", "q=0"))
    try:
        return float(parameter.removeprefix("q=") or 1.0) > 0.0
    except ValueError:
        return False


def _packed(text: bytes) -> Packed:
    deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    body = deflate.compress(text) + deflate.flush(isal_zlib.Z_FULL_FLUSH)
    return body, isal_zlib.crc32(text), len(text)


class Exposition:
    """Renders what the registry has published, and metrics of the process unless ``process`` is
    False. Raises ValueError if one of those has the name of a metric in the registry.
    """

    def __init__(self, registry: Registry, *, process: bool = True) -> None:
        self._registry = registry
        self._process = process_registry() if process else CollectorRegistry()
        self._heads = [
            {family: header(family.metric, openmetrics=om) for family in registry.families}
            for om in (False, True)
        ]
        self._packed_heads: list[dict[AnyFamily, Packed]] = [{}, {}]
        taken = registry.metrics.keys() & {
            sample.name for metric in self._process.collect() for sample in metric.samples
        }
        if taken:
            raise ValueError(f"names of process metrics are taken: {', '.join(sorted(taken))}")

    def render(self, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers for a request with these two headers (either may be empty)."""
        encoder, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith(_OPENMETRICS)
        tail: bytes = encoder(self._process)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip_accepted(accept_encoding):
            headers["Content-Encoding"] = "gzip"
            return self._gzip(openmetrics, tail), headers
        return self._plain(openmetrics, tail), headers

    async def respond(self, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """Like ``render``, but gives way to other tasks while many shards are compressed."""
        openmetrics = choose_encoder(accept)[1].startswith(_OPENMETRICS)
        await self._pack_changed(openmetrics, gzip=gzip_accepted(accept_encoding))
        return self.render(accept, accept_encoding)

    def _plain(self, openmetrics: bool, tail: bytes) -> bytes:
        heads = self._heads[openmetrics]
        parts: list[bytes] = []
        for family in self._families():
            parts.append(heads[family])
            if family.metric.age:
                parts += self._ages(family)
            elif _is_histogram(family):
                # Compressed text is kept, and costs a fifth of making it again.
                parts += [_unpacked(packed) for packed in _pack_all(family, openmetrics)]
            else:
                parts += [shard.text(exemplars=openmetrics) for shard in family.shards]
        parts.append(tail)
        return b"".join(parts)

    def _gzip(self, openmetrics: bool, tail: bytes) -> bytes:
        bodies = [_GZIP_HEADER]
        crc = length = 0
        combine = isal_zlib.crc32_combine
        for body, part_crc, part_length in self._pieces(openmetrics, tail):
            bodies.append(body)
            crc = combine(crc, part_crc, part_length)
            length += part_length
        bodies += (_LAST_BLOCK, pack("<II", crc, length & 0xFFFFFFFF))
        return b"".join(bodies)

    def _pieces(self, openmetrics: bool, tail: bytes) -> Iterator[Packed]:
        for family in self._families():
            yield self._packed_head(family, openmetrics)
            if family.metric.age:
                yield _packed(b"".join(self._ages(family)))
                continue
            yield from _pack_all(family, openmetrics)
        yield _packed(tail)

    def _packed_head(self, family: AnyFamily, openmetrics: bool) -> Packed:
        heads = self._packed_heads[openmetrics]
        if family not in heads:
            heads[family] = _packed(self._heads[openmetrics][family])
        return heads[family]

    async def _pack_changed(self, openmetrics: bool, *, gzip: bool) -> None:
        pause = time.perf_counter() + _SLICE
        for family in self._registry.families:
            if family.metric.age or not (gzip or _is_histogram(family)):
                continue
            for shard in tuple(family.shards):
                if shard.packed[openmetrics] is None:
                    _pack(shard, openmetrics)
                if time.perf_counter() > pause:
                    await asyncio.sleep(0)
                    pause = time.perf_counter() + _SLICE

    def _families(self) -> Iterator[AnyFamily]:
        return (family for family in self._registry.families if family.series)

    def _ages(self, family: AnyFamily) -> list[bytes]:
        now = self._registry.now()
        return [
            b"%b%b\n" % (line, number(max(0.0, round(now - series.published, 3))).encode())
            for shard in family.shards
            if isinstance(shard, ScalarShard)
            for series, line in zip(shard.series, shard.lines, strict=True)
            if isinstance(series, Gauge) and series.published is not None
        ]


def _is_histogram(family: AnyFamily) -> bool:
    return family.metric.instrument is Instrument.HISTOGRAM


def _pack_all(family: AnyFamily, openmetrics: bool) -> Iterator[Packed]:
    return (shard.packed[openmetrics] or _pack(shard, openmetrics) for shard in family.shards)


def _pack(shard: Shard, openmetrics: bool) -> Packed:
    packed = shard.packed[openmetrics] = _packed(shard.text(exemplars=openmetrics))
    return packed


def _unpacked(packed: Packed) -> bytes:
    body, _, length = packed
    text: bytes = isal_zlib.decompress(body + _LAST_BLOCK, -isal_zlib.MAX_WBITS, length)
    return text
