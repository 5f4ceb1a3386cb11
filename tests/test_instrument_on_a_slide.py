"""Counts on a slide: looked over once, and every field has its place on the map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from builders_instrument import blood_field, ended, folder, instrument, plan, until

from appliance.errors import ApplianceError
from appliance.field_source import SlideSurvey
from appliance.folder_camera import FolderCamera
from appliance.frame import Frame, Point, SkippedField
from appliance.migrations import migrations
from appliance.store import Store
from calibration import Scale


def smear(where: Path, fields: int = 60) -> Path:
    return folder(where, (blood_field(n) for n in range(fields)))


def small(where: Path, **changes: Any) -> Any:
    return plan(where, **{"min_cells": 60, "max_cells": 90, **changes})


LOOKED_OVER = SlideSurvey('{"regions": 1}', b"a picture", 0.0, 100.0, 20.0)


def test_a_slide_is_looked_over_once_even_when_the_run_is_resumed(tmp_path: Path) -> None:
    where, surveys = smear(tmp_path / "a"), []

    class Slide(FolderCamera):
        planned: Any = None
        survey: Any = None

        def prepare(self, survey: Any) -> Iterator[str]:
            surveys.append(survey)
            yield "Looking the slide over."
            self.survey, self.planned = survey or LOOKED_OVER, 40

        def fields(self, first: int = 0) -> Any:
            for found in super().fields(first):
                if found.index == 6 and first < 6:
                    raise ApplianceError("The stage lost its position.")
                yield found

    with instrument(
        tmp_path / "s.sqlite", open_source=lambda asked: Slide(where, scale=Scale.stated(0.1))
    ) as made:
        run_id = made.start(small(where))
        assert until(made, lambda run: run["state"] == "paused")["fields"]["planned"] == 40
        made.resume()
        until(made, ended)
    assert surveys == [None, LOOKED_OVER]
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert store.survey(run_id) == LOOKED_OVER
        steps = list(store.db.query("SELECT detail FROM events WHERE kind = 'state:preparing'"))
    assert {"detail": "Looking the slide over."} in steps


def test_every_change_of_a_run_on_a_slide_says_where_its_newest_field_lies(tmp_path: Path) -> None:
    where = smear(tmp_path / "a")

    class Slide(FolderCamera):
        survey: Any = None

        def prepare(self, survey: Any) -> Iterator[str]:
            self.survey = LOOKED_OVER
            yield "Looking the slide over."

        def fields(self, first: int = 0) -> Any:
            for found in super().fields(first):
                place = Point(150.0 * found.index, 20.04)
                if found.index == 1:
                    yield SkippedField(1, found.name, "empty", "It is empty.", place)
                elif isinstance(found, Frame):
                    yield replace(found, position=place)

    with (
        instrument(
            tmp_path / "s.sqlite", open_source=lambda asked: Slide(where, scale=Scale.stated(0.1))
        ) as made,
        made.broadcast.follow() as follower,
    ):
        follower.next(60)
        made.start(small(where))
        until(made, ended)
        runs: list[Any] = []
        while not runs or not runs[-1]["ended"]:
            message: Any = follower.next(60)
            runs.append(message["run"])
    assert runs[0]["slide"] is None
    on_slide = [run["slide"]["newest"] for run in runs if run["slide"] is not None]
    assert on_slide[0] is None
    fields = {field["number"]: field for field in on_slide if field is not None}
    assert list(fields) == list(range(len(fields)))
    assert fields[0] == {
        "number": 0, "x_um": 0.0, "y_um": 20.0, "width_um": 1.6, "height_um": 1.6, "skipped": None,
    }  # fmt: skip
    assert fields[1] == {
        "number": 1, "x_um": 150.0, "y_um": 20.0, "width_um": None, "height_um": None, "skipped": "empty",
    }  # fmt: skip


def test_a_store_from_before_there_were_slides_becomes_one_with_slides(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with instrument(path) as made:
        run_id = made.start(small(smear(tmp_path / "a", 4)))
        until(made, ended)
    with Store(path) as store:  # as the first version left it
        store.db.conn.execute("DROP TABLE surveys")
        store.db.conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'surveys'")
        store.db.conn.commit()
        assert migrations.pending(store.db)
    with instrument(path), Store.read_only(path) as store:
        assert store.survey(run_id) is None
        assert [field.number for field in store.fields(run_id)] == [0, 1, 2, 3]
