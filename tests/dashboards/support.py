"""The dashboards as the tests read them."""

import json
from typing import Any

from argoscope_dashboards._foreign import FOREIGN
from argoscope_dashboards._load import load
from contract.promql import Contract, Family

Json = dict[str, Any]


def rendered() -> dict[str, Json]:
    """All dashboards by uid, parsed anew, so that a test may break its copy."""
    return {dashboard.uid: json.loads(dashboard.render()) for dashboard in load()}


def contract() -> Contract:
    foreign = [
        Family(
            name=one.prometheus,
            instrument=one.instrument,
            labels=dict.fromkeys(one.label_names, ()),
        )
        for one in FOREIGN
    ]
    return Contract(foreign=foreign, counters_in_rates=True)
