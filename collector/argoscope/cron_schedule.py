"""When a CronWorkflow is due, as the controller computes it.

The controller hands ``spec.schedules`` to ``ParseStandard`` of github.com/robfig/cron v3, with
``CRON_TZ=<spec.timezone> `` in front. cronsim and croniter were run beside it and differ where a
missed run would be counted wrongly. Both run a time that daylight saving skips an hour later
(robfig leaves it out), read ``7``, ``L`` and ``1#2`` (robfig refuses: such a cron never runs) and
know neither ``@every`` nor ``TZ=``; cronsim runs a repeated hour once (robfig twice), needs both
days to match in ``0 0 */2 * 1`` (robfig one) and refuses ``?`` and ``@daily``. So this follows
robfig's algorithm step by step; tests compare it with robfig's own results and with a walk over
every minute.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = date(1970, 1, 1).toordinal()
_YEARS = 5  # robfig gives up after so many years: such a schedule never fires

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class ScheduleError(ValueError):
    """The controller refuses the schedule; ``reason`` is ``schedule`` or ``timezone``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Every:
    """``@every``: counted from when the controller last (re)registered the cron."""

    seconds: int

    def next(self, after: float) -> float:
        return float(int(after) + self.seconds)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Five fields as bit sets: bit n is set when the value n matches."""

    minute: int
    hour: int
    dom: int
    month: int
    dow: int
    both_days: bool
    """A day must match day of month and day of week (one of them is a star), else one of them."""
    zone: tzinfo

    def next(self, after: float) -> float:
        """The first due time later than ``after`` (Unix seconds); 0.0 if there is none."""
        if not (self.minute and self.hour and self.month):
            return 0.0  # "," is a field without any value
        walk = _Walk(self.zone, int(after) + 1)
        limit = walk.local.year + _YEARS
        while walk.local.year <= limit:
            if all(step(walk) for step in (self._month, self._day, self._hour, self._minute)):
                if walk.at % 60 == 0:
                    return float(walk.at)
                walk.first_step()
                walk.to(walk.at // 60 * 60 + 60)
        return 0.0

    # Each of the following advances to the next value that matches. False: a larger field has
    # wrapped around, start again with it.

    def _month(self, walk: "_Walk") -> bool:
        while not self.month >> walk.local.month & 1:
            d = walk.local
            if walk.first_step():
                walk.to_wall(d.year, d.month, 1, 0, 0)
            d = walk.local
            walk.to_wall(d.year, d.month + 1, d.day, d.hour, d.minute)
            if walk.local.month == 1:
                return False
        return True

    def _day(self, walk: "_Walk") -> bool:
        while not self._day_matches(walk.local):
            d = walk.local
            if walk.first_step():
                walk.to_wall(d.year, d.month, d.day, 0, 0)
            d = walk.local
            walk.to_wall(d.year, d.month, d.day + 1, d.hour, d.minute)
            hour = walk.local.hour
            if hour:  # there is no midnight on this day: daylight saving begins with it
                walk.to(walk.at + (24 - hour if hour > 12 else -hour) * 3600)
            if walk.local.day == 1:
                return False
        return True

    def _hour(self, walk: "_Walk") -> bool:
        while not self.hour >> walk.local.hour & 1:
            d = walk.local
            if walk.first_step():
                walk.to_wall(d.year, d.month, d.day, d.hour, 0)
            walk.to(walk.at + 3600)
            if walk.local.hour == 0:
                return False
        return True

    def _minute(self, walk: "_Walk") -> bool:
        while not self.minute >> walk.local.minute & 1:
            walk.first_step()
            walk.to(walk.at // 60 * 60 + 60)
            if walk.local.minute == 0:
                return False
        return True

    def _day_matches(self, day: datetime) -> bool:
        dom = self.dom >> day.day & 1
        dow = self.dow >> day.isoweekday() % 7 & 1
        return bool(dom and dow if self.both_days else dom or dow)


Schedule = Calendar | Every


class _Walk:
    """A moment and its wall clock."""

    __slots__ = ("at", "local", "moved", "zone")

    def __init__(self, zone: tzinfo, at: int) -> None:
        self.zone = zone
        self.moved = False
        self.to(at)

    def to(self, at: int) -> None:
        self.at = at
        self.local = datetime.fromtimestamp(at, self.zone)

    def first_step(self) -> bool:
        """True once: smaller fields are set to their minimum only before the first step."""
        moved, self.moved = self.moved, True
        return not moved

    def to_wall(self, year: int, month: int, day: int, hour: int, minute: int) -> None:
        """Go to a wall clock time, as Go's ``time.Date`` reads one that does not exist, exists
        twice, or has a month or day that is one too large."""
        if month > 12:
            year, month = year + 1, 1
        days = date(year, month, 1).toordinal() + day - 1 - _EPOCH
        wall = days * 86400 + hour * 3600 + minute * 60
        self.to(wall - self._offset(wall - self._offset(wall)))

    def _offset(self, at: int) -> int:
        offset = datetime.fromtimestamp(at, self.zone).utcoffset() or timedelta()
        return int(offset.total_seconds())


@lru_cache(maxsize=4096)
def parse(text: str, timezone: str = "") -> Schedule:
    """Read one entry of ``spec.schedules`` with ``spec.timezone``.

    Without a time zone the controller uses its own, which is taken to be UTC, as in its image.
    Raises ScheduleError.
    """
    if timezone:
        text = f"CRON_TZ={timezone} {text}"
    zone: tzinfo = UTC
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, blank, text = text.partition(" ")
        if not blank:
            raise ScheduleError("schedule", "nothing follows the time zone")
        zone, text = _zone(prefix.partition("=")[2]), text.strip()
    if text.startswith("@every "):
        return Every(_every(text.removeprefix("@every ")))
    fields = _DESCRIPTORS.get(text, text).split()
    if len(fields) != 5:
        raise ScheduleError("schedule", f"{text!r} has {len(fields)} fields, expected 5")
    minute, _ = _field(fields[0], 0, 59)
    hour, _ = _field(fields[1], 0, 23)
    dom, dom_star = _field(fields[2], 1, 31)
    month, _ = _field(fields[3], 1, 12, _MONTHS)
    dow, dow_star = _field(fields[4], 0, 6, _DAYS)
    return Calendar(minute, hour, dom, month, dow, dom_star or dow_star, zone)


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError("timezone", f"no time zone is called {name!r}") from error


def _every(text: str) -> int:
    """Whole seconds of a Go duration ("1h30m"), at least one."""
    body = text.lstrip("+-") if text[:1] in "+-" and text[1:2] not in "+-" else text
    parts = _DURATION.findall(body)
    if body != "0" and (not parts or "".join(map("".join, parts)) != body):
        raise ScheduleError("schedule", f"{text!r} is not a duration")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return 1 if text.startswith("-") else max(1, int(seconds))


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> tuple[int, bool]:
    """Bits of a comma-separated list of ranges, and whether it holds a star."""
    bits, star = 0, False
    for part in filter(None, text.split(",")):
        part_bits, part_star = _range(part, low, high, names)
        bits, star = bits | part_bits, star or part_star
    return bits, star


def _range(text: str, low: int, high: int, names: tuple[str, ...]) -> tuple[int, bool]:
    """``*``, ``?``, ``5``, ``1-5``, each with ``/step`` or without."""
    span, *steps = text.split("/")
    first, *rest = span.split("-")
    star = first in ("*", "?")
    if len(steps) > 1 or (len(rest) > 1 and not star):
        raise ScheduleError("schedule", f"{text!r} is not a range")
    start = low if star else _number(first, low, names)
    end = high if star else _number(rest[0], low, names) if rest else start
    step = _number(steps[0], 0, ()) if steps else 1
    if steps and not rest:
        end = high  # "5/15" means "5-59/15"
    if not low <= start <= end <= high or step == 0:
        raise ScheduleError("schedule", f"{text!r} is not within {low}-{high}")
    return sum(1 << n for n in range(start, end + 1, step)), star and step == 1


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + low
    if not _INTEGER.fullmatch(text) or int(text) < 0:
        raise ScheduleError("schedule", f"{text!r} is not a number")
    return int(text)
