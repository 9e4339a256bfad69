"""How the causes of ``critical_path`` are told to people."""

from typing import NamedTuple


class Told(NamedTuple):
    """A cause in words, and how it is drawn."""

    label: str
    said: str
    """After "12 of 30 minutes "."""
    glyph: str
    """In a terminal without colours."""
    colour: str
    """rich's name of it; the page has its own."""
    means: str


TOLD: dict[str, Told] = {
    "main": Told("work", "were work in the steps' containers", "█", "green", "main containers ran"),
    "pull": Told("image pulls", "were image pulls", "▓", "dark_orange", "images were pulled"),
    "gap": Told(
        "controller pace",
        "were the controller's pace between steps",
        "·",
        "grey58",
        "nothing ran: Argo had not yet taken notice, or not yet made the next pod",
    ),
    "schedule": Told(
        "scheduling",
        "were pods without a place on a node",
        "▒",
        "red",
        "a pod waited for a node",
    ),
    "prepare": Told(
        "pod set-up",
        "were the set-up of pods",
        "▚",
        "yellow",
        "sandbox, network, volumes and containers were set up",
    ),
    "init": Told(
        "loading inputs",
        "were the loading of inputs",
        "▞",
        "cyan",
        "init containers ran: artifacts came down",
    ),
    "wait": Told(
        "saving outputs",
        "were the saving of outputs",
        "▟",
        "blue",
        "artifacts and logs went up after the work",
    ),
    "queue": Told(
        "queue",
        "were waiting for a turn",
        "░",
        "magenta",
        "the run or its steps were held back by parallelism or quota, or were not yet taken up",
    ),
    "lock": Told(
        "locks", "were waiting for a lock", "▙", "bright_magenta", "a mutex or semaphore was taken"
    ),
    "approval": Told(
        "approval",
        "were waiting for an approval",
        "□",
        "bright_blue",
        "suspended until somebody, or a timer, went on",
    ),
    "backoff": Told(
        "back-off",
        "were the back-off between attempts",
        "▖",
        "bright_yellow",
        "the pause that the retry strategy makes",
    ),
    "retry": Told(
        "lost attempts",
        "went into attempts that were thrown away",
        "x",
        "bright_red",
        "attempts that failed, or pods that were lost, and were made again",
    ),
    "unknown": Told("unknown", "are unknown", "?", "grey42", "no pod tells what happened"),
}
"""Cause -> how it is told, as a legend lists them."""
