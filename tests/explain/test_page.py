"""The page of `explain --format html`, in a real browser."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.browser import Page, browser
from support.explained import ask, listed, two_steps

SHOWN = "document.querySelector('article.shown')"
NASTY = '</script><img src=x onerror="alert(1)"><!--"'


def page_of(folder: Path, *objects: dict[str, Any]) -> Path:
    result = ask("-f", "-", "--format", "html", given=listed(*objects))
    assert result.exit_code == 0, result.output
    file = folder / "page.html"
    file.write_text(result.stdout)
    return file


def nasty() -> list[dict[str, Any]]:
    """Steps whose names and messages try to be markup."""
    made, *rest = two_steps()
    for each in made["status"]["nodes"].values():
        each["name"] = each["name"].replace(".a", f".{NASTY}")
        each["message"] = NASTY
    return [made, *rest]


def test_the_file_needs_nothing_else(tmp_path: Path) -> None:
    text = page_of(tmp_path, *two_steps()).read_text()
    assert not re.findall(r"<link|<script[^>]* src|\bsrc=|url\(|@import", text)
    assert "40 of 62 seconds were image pulls" in text


def test_names_are_data_and_never_markup(tmp_path: Path) -> None:
    text = page_of(tmp_path, *nasty()).read_text()
    assert "<img" not in text
    assert text.count("</script>") == 2


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browser() as tab:
        yield tab


async def test_a_browser_shows_it_zooms_it_and_folds_it(page: Page, tmp_path: Path) -> None:
    runs = [*two_steps("wf-1", pull=10), *two_steps("wf-2", pull=40, shift=500)]
    await page.open(page_of(tmp_path, *runs))
    rows = f"{SHOWN}.querySelectorAll('.row').length"
    axis = f"[...{SHOWN}.querySelectorAll('.axis span')].map(s => s.textContent)"
    # The slowest is shown; both steps, and what came after them.
    assert await page.value(f"{SHOWN}.querySelector('h1').textContent") == (
        "40 of 62 seconds were image pulls: 1 image, 3.0 GiB, 1 cold node."
    )
    assert await page.value(rows) == 3
    assert await page.value(axis) == ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "1 min"]

    # The bar of the pull takes its share of the lane.
    share = "(s => s.offsetWidth / s.parentNode.offsetWidth)"
    drawn = await page.value(f"{share}({SHOWN}.querySelector('.seg.c-pull'))")
    assert drawn == pytest.approx(40 / 62, abs=0.01)

    await page.mouse("Moved", *await page.place("article.shown .seg.c-pull"))
    tip = await page.value("document.getElementById('tip').innerText")
    assert "image pulls: 40 s" in tip
    assert "registry.example.com/build:v1" in tip
    assert "on node-a" in tip

    # Drag over the first half: it is all there is to be seen.
    left, y = await page.value(
        f"(b => [b.x, b.y + 5])({SHOWN}.querySelector('.lane').getBoundingClientRect())"
    )
    width = await page.value(f"{SHOWN}.querySelector('.lane').offsetWidth")
    await page.mouse("Moved", left + 1, y)
    await page.mouse("Pressed", left + 1, y, 1)
    await page.mouse("Moved", left + width / 2, y)
    await page.mouse("Released", left + width / 2, y, 1)
    assert (await page.value(axis))[-1] == "30 s"
    await page.click("article.shown [data-zoom=all]")
    assert (await page.value(axis))[-1] == "1 min"

    # All steps, folded into the template that they are in.
    await page.click("article.shown [data-show=all]")
    assert await page.value(rows) == 3
    await page.click("article.shown .name button")
    assert await page.value(rows) == 1

    await page.click("a[data-run='0']")
    assert "10 of 32 seconds" in await page.value(f"{SHOWN}.querySelector('h1').textContent")
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith(("file:", "about:"))] == []


async def test_a_browser_runs_nothing_that_names_hold(page: Page, tmp_path: Path) -> None:
    await page.open(page_of(tmp_path, *nasty()), dark=True)
    assert await page.value("document.images.length") == 0
    names = await page.value("[...document.querySelectorAll('.name')].map(n => n.textContent)")
    assert names[0] == NASTY
    background = await page.value("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(15, 19, 28)"
    assert page.problems == []
