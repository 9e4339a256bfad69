"""Lives of ended pods, by workflow, until the run asks for them.

A run of thousands of steps has as many of them, and they are read once, at its end: so they are
kept packed, some 80 bytes each, as the ledger has them too.
"""

from struct import Struct

import msgspec

from argoscope.resources._pod_life import PodLife

Lives = dict[str, tuple[PodLife, ...]]
"""Node id -> lives of its pods in the order of their creation: `argo retry` and deletions make a
node's pod again."""

_LENGTH = Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, PodLife]).decode


class PodLives:
    def __init__(self) -> None:
        self._packed: dict[tuple[str, str], bytearray] = {}
        """(namespace, workflow name) -> node ids and lives one after the other, each behind its
        length; of two lives of one pod the later entry holds."""

    def add(self, key: tuple[str, str], node_id: str, life: PodLife) -> None:
        """Add a life, or what is now known of it: a pod ends, and is deleted later."""
        entry = _encode((node_id, life))
        packed = self._packed.get(key)
        if packed is None:
            packed = self._packed[key] = bytearray()
        packed += _LENGTH.pack(len(entry)) + entry

    def of(self, key: tuple[str, str]) -> Lives:
        packed = self._packed.get(key)
        if packed is None:
            return {}
        found: dict[str, dict[int, PodLife]] = {}
        view, at = memoryview(packed), 0
        while at < len(view):
            (length,) = _LENGTH.unpack_from(view, at)
            at += _LENGTH.size
            node, life = _decode(view[at : at + length])
            found.setdefault(node, {})[life.created] = life
            at += length
        view.release()
        return {node: tuple(lives[at] for at in sorted(lives)) for node, lives in found.items()}

    def drop(self, key: tuple[str, str], until: float) -> bool:
        """Those of pods that were created until then (Unix seconds); whether there were any of the
        workflow."""
        if key not in self._packed:
            return False
        later = self.of(key)
        del self._packed[key]
        for node, lives in later.items():
            for life in lives:
                if life.created > until:
                    self.add(key, node, life)
        return True

    def packed(self, key: tuple[str, str]) -> bytes:
        """For the ledger; empty for none."""
        return bytes(self._packed.get(key, b""))

    def restore(self, key: tuple[str, str], packed: bytes) -> None:
        """Take back what ``packed`` gave."""
        self._packed[key] = bytearray(packed)
