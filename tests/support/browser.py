"""A real Chromium, spoken to by its DevTools protocol: no driver has to be installed."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

SECONDS = 60.0
"""That a start, or an answer, may take on a busy machine."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """A tab. What goes wrong in it (exceptions, what its policy refuses) is in ``problems``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._session = ""
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            elif told["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif told["method"] == "Runtime.exceptionThrown":
                self.problems.append(str(told["params"]["exceptionDetails"]))
            elif told["method"] == "Log.entryAdded":
                self.problems.append(told["params"]["entry"]["text"])
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])

    async def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        request = {"id": self._number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        await self._socket.send_json(request | session)
        told = await asyncio.wait_for(answer, SECONDS)
        assert "error" not in told, (method, told["error"])
        return told["result"]

    async def attach(self) -> None:
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def open(
        self, file: Path, *, width: int = 1300, height: int = 1000, dark: bool = False
    ) -> None:
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                        deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded.clear()
        await self.call("Page.navigate", url=file.as_uri())
        await asyncio.wait_for(self._loaded.wait(), SECONDS)

    async def value(self, expression: str) -> Any:
        """What JavaScript in the page gives."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def place(self, selector: str) -> tuple[float, float]:
        """Middle of an element."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        found = await self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box})")
        return found[0], found[1]

    async def mouse(self, what: str, x: float, y: float, clicks: int = 0) -> None:
        """``what``: Moved, Pressed or Released."""
        button = "none" if what == "Moved" else "left"
        await self.call("Input.dispatchMouseEvent", type=f"mouse{what}", x=x, y=y, button=button,
                        clickCount=clicks)  # fmt: skip

    async def click(self, selector: str) -> None:
        x, y = await self.place(selector)
        for what in ("Pressed", "Released"):
            await self.mouse(what, x, y, 1)

    async def picture(self) -> bytes:
        """A PNG of what is seen."""
        taken = await self.call("Page.captureScreenshot")
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A tab of a Chromium that is started for it. Skips, saying why, where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            address = await asyncio.wait_for(_address(process), SECONDS)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=64 << 20) as socket,
            ):
                page = Page(socket)
                await page.attach()
                yield page
                await socket.close()
                await page.reading
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.communicate(), SECONDS)
                except TimeoutError:
                    process.kill()
                    await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        _, found, address = line.decode().partition("DevTools listening on ")
        if found:
            return address.strip()
    raise AssertionError("chromium ended before it listened")
