"""Every metric serves somebody: a dashboard, an alert, or a reason why not."""

import re
from pathlib import Path

from argoscope.catalogue import catalogue

ROOT = Path(__file__).parents[2]


def _used() -> set[str]:
    files = [*ROOT.glob("dashboards/rendered/*.json"), *ROOT.glob("alerts/rendered/**/*.yaml")]
    assert files
    text = "\n".join(path.read_text() for path in files)
    names = set(re.findall(r"\bargo(?:scope)?_[a-z0-9_]+", text))
    return names | {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_every_metric_is_used_or_says_why_not() -> None:
    used = _used()
    idle = {metric.prometheus for metric in catalogue() if metric.prometheus not in used}
    excused = {metric.prometheus for metric in catalogue() if metric.unused_because}
    assert idle - excused == set(), "use it on a dashboard or in an alert, or say unused_because="
    assert excused & used == set(), "it is used now: drop unused_because"
