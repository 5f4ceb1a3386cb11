"""A browser in which everybody is signed in once, and takes pictures for the documents."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, sync_playwright

from docs.pictures.people import PASSWORD
from docs.pictures.scenes import Scene
from docs.pictures.small import small_png

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PICTURES_ARE_THERE = """[...document.images].filter((each) => each.checkVisibility()
  && each.getBoundingClientRect().top < innerHeight).every((each) => each.complete)"""
ARRIVED_MS = 600  # bars glide to their places, pictures fade in


class Browser:
    """Shows scenes and keeps their pictures in a folder."""

    def __init__(self, chromium: Chromium, folder: Path, only: Collection[str]) -> None:
        """only: names of the pictures to keep; all of them where there is none."""
        self._chromium, self._folder, self._only = chromium, folder, frozenset(only)
        self._address = ""
        self._windows: dict[str, BrowserContext] = {}

    def at(self, address: str) -> None:
        """From now on show the page that is served there; nobody is signed in yet."""
        for window in self._windows.values():
            window.close()
        self._address, self._windows = address, {}

    def take(self, scene: Scene, places: Mapping[str, str]) -> None:
        """Open the scene's page, do what it asks for, and keep the picture."""
        if self._only and scene.name not in self._only:
            return
        with self.opened(scene.place.format(**places), scene.who, scene.size, scene.theme) as page:
            scene.act(page)
            self.keep(scene.name, page)

    def keep(self, name: str, page: Page) -> None:
        """Keep what a page shows now."""
        page.wait_for_function(f"() => {PICTURES_ARE_THERE}")
        page.wait_for_timeout(ARRIVED_MS)
        if not self._only or name in self._only:
            (self._folder / f"{name}.png").write_bytes(small_png(page.screenshot()))
            print(name, flush=True)

    @contextlib.contextmanager
    def opened(self, place: str, who: str, size: tuple[int, int], theme: str = "light") -> Iterator[Page]:
        """A page in that person's browser. place: the path; size: CSS pixels."""
        window = self._window(who)
        window.add_cookies([{"name": "theme", "value": theme, "url": self._address}])
        page = window.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(self._address + place)
        try:
            yield page
        finally:
            page.close()

    def _window(self, who: str) -> BrowserContext:
        if who not in self._windows:
            # The pictures are taken through a script of the browser's, which the page's policy would not let run.
            window = self._chromium.new_context(bypass_csp=True, reduced_motion="reduce", locale="en-GB")
            window.set_default_timeout(120_000)
            if who:
                self._sign_in(window, who)
            self._windows[who] = window
        return self._windows[who]

    def _sign_in(self, window: BrowserContext, who: str) -> None:
        page = window.new_page()
        page.goto(f"{self._address}/sign-in")
        summary = page.locator("summary")
        if summary.count():
            summary.click()
        page.locator("input[name=name]:not([type=radio])").fill(who)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form:has(input[name=password]) button").click()
        page.locator("input[name=password]").wait_for(state="detached")
        page.close()


@contextlib.contextmanager
def chromium(folder: Path, only: Collection[str]) -> Iterator[Browser]:
    """A browser that keeps its pictures in that folder."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield Browser(started, folder, only)
        started.close()
