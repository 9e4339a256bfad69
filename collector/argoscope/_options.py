"""Types of command-line options that several commands have."""

import math
from typing import Any

import click


class Seconds(click.FloatRange):
    """A time that ends: NaN is in every range, and no manifest or timer can hold it or infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds
