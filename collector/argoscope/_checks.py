"""What values of settings must be; each check returns what is wrong, or an empty string."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, get_args, get_origin

import msgspec

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,252}[A-Za-z0-9])?\Z")
_KEY = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_LABEL_KEY = re.compile(rf"{_KEY}\Z", re.ASCII)
_REQUIREMENT = re.compile(
    rf"\s*(!\s*{_KEY}"
    rf"|{_KEY}(\s*(==|!=|=)\s*{_VALUE}|\s+(in|notin)\s*\(\s*{_VALUE}(\s*,\s*{_VALUE})*\s*\))?"
    r")\s*",
    re.ASCII,
)


def convert(raw: object, kind: Any) -> Any:
    """``raw`` as ``kind``; text of the environment and of flags is read as lists and pairs.

    Raises ValueError saying what was expected.
    """
    if isinstance(raw, str) and get_origin(kind) is tuple:
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    elif isinstance(raw, str) and _is_mapping(kind):
        raw = _pairs(raw, get_args(kind)[1])
    choices = get_args(kind)
    if choices and all(isinstance(choice, str) for choice in choices) and raw not in choices:
        raise ValueError(f"{raw!r} is not one of {', '.join(choices)}")
    lax = isinstance(raw, str) and kind in (int, float, bool)
    try:
        return msgspec.convert(raw, kind, strict=not lax)
    except msgspec.ValidationError as error:
        # Without msgspec's path into the value, whose root is this setting.
        raise ValueError(str(error).replace(" - at `$", " - at `")) from error


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _pairs(text: str, number: type[int] | type[float]) -> dict[str, object]:
    pairs: dict[str, object] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition("=")
        try:
            pairs[name.strip()] = number(value)
        except ValueError:
            raise ValueError(f"{part!r} is not name=number") from None
    return pairs


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean x?` or, when nothing is alike, an empty string."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def split_address(text: str) -> tuple[str, int]:
    """Host and port; the host is empty for all interfaces. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is not host:port, such as 127.0.0.1:9464 or [::]:9464")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        ip_address(host)
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in [::]:9464")
    elif host and not _HOST.match(host):
        raise ValueError(f"{host!r} is not a host name or an address")
    return host, int(port)


def address(text: str) -> str:
    try:
        split_address(text)
    except ValueError as error:
        return str(error)
    return ""


def namespaces(names: tuple[str, ...]) -> str:
    wrong = [name for name in names if not _DNS_LABEL.match(name)]
    if wrong:
        return f"{_quoted(wrong)}: not the name of a namespace (a-z, 0-9 and - inside)"
    return f"{_quoted(names)}: named twice" if len(set(names)) != len(names) else ""


def namespace(name: str) -> str:
    return namespaces((name,)) if name else ""


def shard(number: int) -> str:
    return "" if 0 <= number <= 9999 else "must be from 0 to 9999"


def shards(number: int) -> str:
    return "" if 1 <= number <= 64 else "must be from 1 to 64"


def ordinal(text: str) -> str:
    fits = text in ("", "auto") or (text.isdecimal() and len(text) <= 4)
    return "" if fits else f"{text!r} is neither auto nor a number from 0 to 9999"


def label_keys(keys: tuple[str, ...]) -> str:
    wrong = [key for key in keys if not _LABEL_KEY.match(key)]
    return f"{_quoted(wrong)}: not the key of a label or annotation" if wrong else ""


def selector(text: str) -> str:
    """Kubernetes' label selector grammar: requirements joined by commas."""
    if not text:
        return ""
    end = 0
    while match := _REQUIREMENT.match(text, end):
        end = match.end()
        if end == len(text):
            return ""
        if text[end] != ",":
            break
        end += 1
    return f"not a label selector from {text[end:]!r} on; as in team=data,stage in (dev,test),!old"


def resource_names(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    # Imports every kind: only when somebody switches one off.
    from argoscope.resources._load import load

    known = [resource.name for resource in load()]
    wrong = [f"{name!r}{did_you_mean(name, known)}" for name in names if name not in known]
    return f"unknown kind {', '.join(wrong)}; there are {', '.join(known)}" if wrong else ""


def advice_rules(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    from argoscope.advice.advising import all_rules

    known = [rule.id for rule in all_rules()]
    wrong = [f"{name!r}{did_you_mean(name, known)}" for name in names if name not in known]
    return f"no advice is called {', '.join(wrong)}; docs/advice.md lists all" if wrong else ""


def budgets(named: Mapping[str, int]) -> str:
    if not named:
        return ""
    from argoscope.catalogue import catalogue

    known = [metric.prometheus for metric in catalogue()]
    wrong = [f"no metric {name}{did_you_mean(name, known)}" for name in named if name not in known]
    wrong += [f"{name} must be at least 1" for name, number in named.items() if number < 1]
    return "; ".join(wrong)


def thresholds(named: Mapping[str, float]) -> str:
    if not named:
        return ""
    from argoscope.resources._limits import limit_key, wrong_limit

    wrong = []
    for key, value in named.items():
        try:
            problem = wrong_limit(limit_key(key)[2], value)
        except ValueError as error:
            problem = str(error)
        if problem:
            wrong.append(problem)
    return "; ".join(wrong)


def retention(days: float) -> str:
    return "" if 8.0 <= days <= 3660.0 else "must be from 8 to 3660 days"


def ratio(number: float) -> str:
    return "" if 0.0 <= number <= 1.0 else "must be from 0 to 1"


def pipeline_ratios(named: Mapping[str, float]) -> str:
    wrong = [f"{key!r} is not namespace/pipeline" for key in named if not all(key.partition("/"))]
    wrong += [f"{key}: {problem}" for key, number in named.items() if (problem := ratio(number))]
    return "; ".join(wrong)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
