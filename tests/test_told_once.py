"""What a page says of the change before it: on the very next page, whichever that is, and once."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders_people import signed_in
from builders_web import FakeInstrument, a_hub, a_run, settings

from web.app import create_app

NEW = {"name": "robin", "role": "reviewer", "password": "ten-letters-or-more", "pin": "271828"}


@pytest.mark.parametrize("next_page", ["/", "/qc", "/accounts"])
def test_what_was_done_is_said_on_the_next_page_and_on_no_later_one(tmp_path: Path, next_page: str) -> None:
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    ada = signed_in(create_app(config, a_hub(config)).test_client(), config)
    assert ada.post("/accounts", data=NEW).status_code == 303
    assert "robin can sign in now." in ada.get(next_page).text
    assert "robin can sign in now." not in ada.get("/runs").text
    fake.dies()
