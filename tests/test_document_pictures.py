"""The pictures in the documents: the command that takes them, and what it covers."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from builders_web import a_hub, settings
from flask import url_for
from PIL import Image

from docs.pictures.scenes import LIVE, SCENES
from docs.pictures.small import small_png
from web.app import create_app
from web.navigation import ENTRIES

ROOT = Path(__file__).parents[1]
SHOWN = re.compile(r"!\[[^\]]+\]\((?:docs/)?pictures/([a-z-]+)\.png\)")


def test_every_entry_of_the_navigation_has_its_picture(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with create_app(config, a_hub(config)).test_request_context("/"):
        addresses = {url_for(endpoint) for endpoint, _, _ in ENTRIES}
    assert addresses - {"/"} <= {scene.place for scene in SCENES}
    assert "running" in LIVE, "the live page has its own"


def test_no_two_pictures_have_the_same_name() -> None:
    names = [*LIVE, *(scene.name for scene in SCENES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{each.name}" for each in ROOT.glob("docs/*.md"))])
def test_documents_show_pictures_that_the_command_takes(document: str) -> None:
    shown = SHOWN.findall((ROOT / document).read_text())
    assert set(shown) <= {*LIVE, *(scene.name for scene in SCENES)}


def test_a_picture_keeps_its_size_when_it_is_made_small() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG")
    made = Image.open(io.BytesIO(small_png(written.getvalue())))
    assert (made.size, made.mode) == ((80, 60), "P")
