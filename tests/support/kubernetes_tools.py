"""kubectl and helm as they were released: .ci/kubernetes-tools puts them into out/tools."""

import os
import shutil

import pytest

from support.recordings import ROOT


def tool(name: str) -> str:
    """Path of kubectl, helm or helm4: out of out/tools, or on the PATH. Skips without it, but not
    in CI."""
    found = shutil.which(name, path=f"{ROOT / 'out' / 'tools'}:{os.environ['PATH']}")
    if found is None:
        reason = f"needs {name}: run .ci/kubernetes-tools, which downloads it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
