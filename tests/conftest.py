"""What several tests need: the real images, or a plain skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
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
