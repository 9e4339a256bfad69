"""Kills the daemon again and again and compares what it counts with the truth.

    make chaos
    .venv/bin/python tests/chaos/chaos.py --kills 50 --seed 7

Progress goes to stderr, a summary in JSON to stdout. Exits with 1 when anything was lost, counted
twice, or seen to decrease. The same seed gives the same workload, faults and choices; the moments
of the kills in the life of the daemon are the machine's.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

# As a script, its own folder would hide the package of this name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos.campaign import Campaign  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--kills", type=int, default=300, help="how often (default 300)")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--keep", action="store_true", help="keep the folder with ledger and log")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    _say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="argoscope-chaos-"))
    report = asyncio.run(Campaign(seed, folder, _say).run(options.kills))
    sys.stdout.write(report.to_json() + "\n")
    if options.keep or not report.ok:
        _say(f"ledger and log: {folder}")
    else:
        shutil.rmtree(folder)
    return 0 if report.ok else 1


class _Formatter(argparse.RawDescriptionHelpFormatter):
    pass


def _say(text: str) -> None:
    sys.stderr.write(f"chaos: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
