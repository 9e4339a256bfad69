"""The same against a real API server: its streaming lists, its watch cache, its versions."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.campaign import Campaign
from chaos.grounds import Real
from support import envtest
from support.envtest import EnvTest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = 10
SEED = int(os.environ.get("ARGOSCOPE_SEED") or random.SystemRandom().randrange(1_000_000))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


async def test_on_a_real_api_server_nothing_is_lost_or_doubled_by_kills(
    real: EnvTest, tmp_path: Path
) -> None:
    print(f"ARGOSCOPE_SEED={SEED}")
    report = await Campaign(SEED, tmp_path, print, Real(real)).run(KILLS)
    print(report.to_json())
    assert report.ok, "\n".join(report.problems)
    assert report.kills == KILLS
    assert report.runs > KILLS, "the cluster stood still"
