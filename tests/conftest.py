"""What several tests need: the real images and a browser, or a plain skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_browser import ARGUMENTS, CHROMIUM
from hypothesis import settings

from models.data_option import DATA_BESIDE, DATA_VARIABLE

# No test asserts a time: the first example of a property may load SciPy on a busy machine.
settings.register_profile("hemadiff", deadline=None)
settings.load_profile("hemadiff")


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of labelled images; the test skips where it is absent."""
    folder = Path(os.environ.get(DATA_VARIABLE, DATA_BESIDE))
    if not (folder / "cells" / "cells.csv").is_file():
        pytest.skip(f"the labelled images are not in {folder}: set HEMADIFF_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; the test skips where it or Playwright is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is absent; install it with: sudo apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()
