"""What the demo says: where everything is, what to look at, and how things stand."""

from collections.abc import Iterable
from pathlib import Path

from aiohttp import ClientError, ClientSession

from argoscope.demo import prometheus


def welcome(address: str, *, speed: float, about: str, look_at: Iterable[str]) -> str:
    lines = [
        f"{about.rstrip('.')}. A minute of it is {60.0 / speed:.3g} s here.",
        "",
        f"  {address}/          the questions, answered live",
        f"  {address}/metrics   what Prometheus scrapes",
        f"  {address}/readyz    what is watched",
    ]
    found = list(dict.fromkeys(look_at))  # scenarios that it is made of name some of them twice
    if found:
        lines += ["", "Worth a look:", *(f"  {line}" for line in found)]
    return "\n".join(lines)


def prometheus_at(address: str, alerts: int) -> str:
    rules = f"{address}/alerts    {alerts} alert rules, as fast as the cluster"
    return f"  {address}/query     Prometheus, also of Argo's controllers\n  {rules}"


def prometheus_ended(code: int, folder: Path) -> str:
    """What to say of a Prometheus that has ended by itself, with the last words of its log."""
    words = (folder / prometheus.LOG).read_text(errors="replace").strip().splitlines()
    return f"Prometheus has ended with {code}: {words[-1] if words else 'it said nothing'}"


async def standing(session: ClientSession, address: str, minutes: float) -> str:
    """One line of progress, read from the daemon as everybody else would."""
    try:
        async with session.get(f"{address}/metrics") as response:
            text = await response.text()
    except (ClientError, TimeoutError) as error:
        return f"The daemon does not answer: {error!r}"
    return (
        f"{minutes:4.0f} min: {_sum(text, 'argo_workflow_active'):.0f} workflows at work, "
        f"{_sum(text, 'argo_workflow_runs_total'):.0f} runs ended since the start "
        f"({_sum(text, 'argo_workflow_completed_runs_7d'):.0f} in 7 days), "
        f"{_sum(text, 'argo_workflow_failures_total'):.0f} failed, "
        f"{_sum(text, 'argo_pods_pending'):.0f} pods pending, "
        f"{_sum(text, 'argo_rollouts_total'):.0f} releases"
    )


def _sum(exposition: str, family: str) -> float:
    lines = (line for line in exposition.splitlines() if line.startswith(family + "{"))
    return sum(float(line.rpartition("} ")[2].split(" ")[0]) for line in lines)
