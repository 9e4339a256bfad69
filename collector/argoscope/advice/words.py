"""Numbers and names as evidence tells them."""

from collections.abc import Iterable


def span(seconds: float) -> str:
    """``12.3 s``, ``4 min 5 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def number(value: float) -> str:
    """As many digits as tell something."""
    if value and value < 0.1:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def size(amount: float) -> str:
    """Bytes: ``6.1 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "bytes" else f"{amount:.1f} {unit}"


def counted(amount: int, what: str) -> str:
    return f"{amount:,} {what}" if amount == 1 else f"{amount:,} {what}s"


def some(names: Iterable[str], most: int = 3) -> str:
    """``a, b, c and 4 more``, each name once."""
    known = list(dict.fromkeys(names))
    if len(known) <= most:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most} more"
