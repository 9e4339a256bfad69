"""FNV-1a, which Argo makes names of: the same in every process, unlike ``hash()``."""

from functools import lru_cache


def fnv32(data: bytes) -> int:
    digest = 0x811C9DC5
    for byte in data:
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest


@lru_cache(maxsize=10_000)  # images are hashed at every status
def fnv64(data: bytes) -> int:
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return digest
