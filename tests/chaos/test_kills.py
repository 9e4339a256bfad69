"""kill -9 at random moments, on a cluster that goes on and an API server that misbehaves."""

import os
import random
from pathlib import Path

import pytest

from chaos.campaign import Campaign

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

KILLS = int(os.environ.get("ARGOSCOPE_KILLS") or 50)
SEED = int(os.environ.get("ARGOSCOPE_SEED") or random.SystemRandom().randrange(1_000_000))


async def test_nothing_is_lost_or_doubled_by_kills_and_no_counter_ever_decreases(
    tmp_path: Path,
) -> None:
    print(f"ARGOSCOPE_SEED={SEED}")
    report = await Campaign(SEED, tmp_path, print).run(KILLS)
    print(report.to_json())
    assert report.ok, "\n".join(report.problems)
    assert report.kills == KILLS
    assert report.moments["export"], "no kill while a receiver held a request"
    assert report.moments["blocked"], "no kill while a commit waited"
    assert report.moments["torn"], "no kill in the middle of a commit"
    assert report.runs > KILLS, "the cluster stood still"
    assert report.unobserved, "no run vanished unseen"
