"""The image: there is no Docker engine here, so its file is linted here, and what it
holds is run in tests/e2e/test_installed_wheel.py."""

import re
import subprocess
import sys
from pathlib import Path

from argoscope import __version__
from support.manifests import DEPLOY
from support.recordings import ROOT

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_hadolint_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), str(DEPLOY / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_base_is_pinned_and_the_user_a_number() -> None:
    assert re.search(r"^ARG PYTHON=\S+:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert "\nUSER 65532:65532\n" in DOCKERFILE
    assert f'image.version="{__version__}"' in DOCKERFILE


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    let_in = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert source in let_in
