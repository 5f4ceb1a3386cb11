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

# Where several processes test side by side (pytest-xdist), each keeps to a core, and so do the threads and processes
# that it begins: networks would otherwise take all cores in each of them, and wait for one another.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {CORES[int(worker.removeprefix("gw")) % len(CORES)]})

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
