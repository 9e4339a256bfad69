"""docs/install.md: what it says to type is short, and makes what it says."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from support.kubernetes_tools import tool
from support.manifests import DEPLOY, documents, helm, of_kind
from support.recordings import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text()
IMAGE = "REGISTRY/argoscope:0.1.0"


def commands(heading: str) -> list[str]:
    """The first block of commands below that heading."""
    found = re.search(rf"^## {heading}\n.*?^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1].splitlines()


def image(objects: list[dict[str, object]]) -> str:
    (container,) = of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


def test_each_way_is_five_lines_at_most() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert len(block.splitlines()) <= 5, block


def test_the_way_with_kustomize(tmp_path: Path) -> None:
    into, name, apply, *_ = commands("kustomize")
    assert apply == "kubectl apply -k ."
    shutil.copytree(DEPLOY / "kustomize", tmp_path / "deploy" / "kustomize")
    subprocess.run(["sh", "-ec", f"{into}\n{name}"], cwd=tmp_path, check=True)
    overlay = tmp_path / into.removeprefix("cd ")
    done = subprocess.run(
        [tool("kubectl"), "kustomize", str(overlay)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert image(documents(done.stdout)) == IMAGE


def test_the_way_with_helm() -> None:
    install = shlex.split(" ".join(commands("Helm")).replace("\\", "").partition(" helm test")[0])
    assert install[:2] == ["helm", "install"]
    release, chart, *options = install[2:]
    done = helm("template", release, str(ROOT / chart), "--kube-version", "1.34", *options)
    assert done.returncode == 0, done.stderr
    assert image(documents(done.stdout)) == IMAGE
