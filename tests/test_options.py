"""Times given on the command line end: no timer and no manifest can hold another."""

import pytest
from click.testing import CliRunner

from argoscope.cli import main


@pytest.mark.parametrize("command", ["simulate", "demo"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_duration_that_is_none_is_refused(command: str, seconds: str) -> None:
    result = CliRunner().invoke(main, [command, "--duration", seconds])
    assert result.exit_code == 2
    assert "--duration" in result.output
    assert seconds in result.output
