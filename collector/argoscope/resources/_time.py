"""Kubernetes timestamps to Unix seconds."""

from datetime import datetime

_cache: dict[str, float] = {}
_CACHE_SIZE = 50_000  # a few minutes of a busy cluster: its seconds repeat in thousands of fields


def unix(text: str | None) -> float:
    """Unix seconds of an RFC 3339 time; 0.0 for None, an empty or a malformed string."""
    if not text:
        return 0.0
    known = _cache.get(text)
    if known is not None:
        return known
    try:
        value = datetime.fromisoformat(text).timestamp() if text[-1] in "Z0123456789" else 0.0
    except ValueError:
        value = 0.0
    if len(_cache) >= _CACHE_SIZE:
        _cache.clear()
    _cache[text] = value
    return value
