"""Runs every benchmark: a table for people, out/bench.json for machines.

    make bench            the full sizes of docs/performance.md
    make bench ARGS=--quick

Each bench_*.py beside this file has ``run(quick) -> list[dict]``, one row a figure: name, value,
unit, bar (the limit, None if there is none), met, and the peer that was measured in the same run.
"""

import argparse
import importlib.util
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "out"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the sizes: only shows that it runs"
    )
    parser.add_argument("--only", default="", help="part of a benchmark's name")
    options = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    console = Console(width=150)
    rows: list[dict[str, Any]] = []
    for path in sorted(HERE.glob("bench_*.py")):
        if options.only not in path.stem:
            continue
        begin = time.monotonic()
        console.print(f"[dim]{path.stem} …[/]")
        rows.extend(_load(path).run(quick=options.quick))
        console.print(f"[dim]{path.stem}: {time.monotonic() - begin:.1f} s[/]")
    if options.quick:  # the bars are for the full sizes, and fixed costs weigh more at small ones
        for row in rows:
            row["bar"] = row["met"] = None
    _table(rows, console)
    OUT.mkdir(exist_ok=True)
    report = {
        "quick": options.quick,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": rows,
    }
    (OUT / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"Written to {(OUT / 'bench.json').relative_to(Path.cwd())}")
    return 0


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _table(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("what", "argoscope", "bar", "", "peer", "peer's figure", "ratio")
    for column in (1, 2, 5, 6):
        table.columns[column].justify = "right"
    for row in rows:
        bar, met = row.get("bar"), row.get("met")
        verdict = "" if bar is None else ("[green]met[/]" if met else "[red]MISSED[/]")
        peer_value, ratio = row.get("peer_value"), row.get("ratio")
        table.add_row(
            row["name"],
            f"{_number(row['value'])} {row['unit']}",
            "" if bar is None else f"{_number(bar)} {row['unit']}",
            verdict,
            row.get("peer") or "",
            "" if peer_value is None else f"{_number(peer_value)} {row['unit']}",
            "" if ratio is None else f"{ratio:.1f}x",
        )
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
