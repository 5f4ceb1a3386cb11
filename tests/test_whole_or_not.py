"""What is put on record is there whole, or not at all; and a disk that fails at the very end says so in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import record

from appliance.cause import Cause
from appliance.errors import ApplianceError
from appliance.service_desk import at_desk
from appliance.store import Store
from calibration.record_json import to_json

ASKED: dict[str, dict[str, Any]] = {
    "add_calibration": {"record": to_json(record())},
    "import_calibration": {"by": "robin", "record": to_json(record())},
    "use_calibration": {"by": "robin", "name": record().id, "confirmed": []},
}


@pytest.mark.parametrize("ask", ASKED)
def test_a_disk_that_is_full_in_the_end_is_said_and_nothing_is_on_record(
    ask: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        if ask == "use_calibration":
            at_desk(store, "add_calibration", ASKED["add_calibration"])
        before = len(store.rows("SELECT 1 FROM audit"))
        real = store.db.atomic

        @contextmanager
        def full_at_its_end() -> Iterator[None]:
            outermost = not store.db.conn.in_transaction
            with real():
                yield
                if outermost:
                    raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(store.db, "atomic", full_at_its_end)
        with pytest.raises(ApplianceError, match="disk is full") as failed:
            at_desk(store, ask, ASKED[ask])
        assert failed.value.cause is Cause.STORE
        assert len(store.rows("SELECT 1 FROM audit")) == before
