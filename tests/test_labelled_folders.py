"""A labelled set leaves as a folder that training, COCO's and YOLO's programs read, and comes back the same."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_commands import at_home, hemadiff
from builders_labelling import (
    HEIGHT,
    PLACES,
    UM_PER_PX,
    WIDTH,
    a_field,
    a_set,
    asked,
    labelling_store,
    said_of,
    with_field,
)
from builders_labelling import settled_field as settled
from builders_review import RUN, ended, signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from appliance.commands.labels import put
from appliance.errors import ApplianceRefused
from appliance.labelling.folders import Stated, read_folder
from appliance.labelling.layouts import LAYOUTS, training
from appliance.labelling.needs import overview
from appliance.labelling.sets import LabelSets
from appliance.labelling.splits import splits
from appliance.labelling.whole import WholeCell, WholeField, WholeSet, whole_set
from appliance.store import Store
from models.cells import Detection
from models.crops import REACH_PX, cells_of_split, others_of_split
from models.data import boxes, labelled_cells, labelled_fields

PATIENT = "H-4711/26"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A set of two smears and an empty field, with cells of a signed run of somebody."""
    with labelling_store(tmp_path / "store.sqlite") as made:
        ended(made, labels=("lymphocyte", "blast", None), record_number=PATIENT)
        signed(made, "final", by="dr.berg")
        set_id = a_set(made, "Erythroid")
        settled(made, set_id, 1, "1")
        settled(made, set_id, 2, "2")
        empty = with_field(made, set_id, 3, "2")
        said_of(made, empty, "anna", {})
        said_of(made, empty, "ben", {})
        asked(made, "join_run_cells", set=set_id, run=RUN, labels=[])
        yield made


def whole(store: Store, name: str = "Erythroid", **how: Any) -> WholeSet:
    sets = LabelSets(store)
    return whole_set(sets, sets.get(name), **how)


def written(folder: Path, files: Iterator[tuple[str, bytes]]) -> Path:
    for path, data in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def there_and_back(folder: Path, of: WholeSet, layout: str) -> WholeSet:
    return read_folder(written(folder, LAYOUTS[layout](of)), Stated())


# There and back


def test_what_is_exported_to_train_and_imported_again_is_the_same_set(store: Store, tmp_path: Path) -> None:
    before = whole(store)
    found = there_and_back(tmp_path / "out", before, "training")
    with labelling_store(tmp_path / "other.sqlite") as other:
        put(lambda what, **said: asked(other, what, **said), found, "cleo")
        after = whole(other)
        assert after == before
        sets = LabelSets(other)
        counts = overview(sets, sets.get("Erythroid"))
        assert [field.read() for field in after.fields] == [field.read() for field in before.fields]
    assert (len(before.singles), counts.cells, counts.done) == (2, 8, 3)


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_fields_with_their_cells_come_back_from_other_layouts(
    store: Store, tmp_path: Path, layout: str
) -> None:
    before = whole(store)
    after = there_and_back(tmp_path / "out", before, layout)
    assert list(after.fields) == list(before.fields)
    assert (after.name, after.panel, after.specimen, after.labels) == (
        before.name, before.panel, before.specimen, before.labels,
    )  # fmt: skip


@st.composite
def sets(draw: st.DrawFn) -> WholeSet:
    """Any set: up to three fields, cells anywhere inside, measured or not."""
    labels = ("blast", "plasma_cell", "platelet", "artefact")
    place = st.floats(110, 490, allow_nan=False)
    cell = st.builds(WholeCell, place, place, st.sampled_from(labels), st.none() | st.floats(3, 9))
    fields = []
    for seed in range(draw(st.integers(1, 3))):
        data = a_field(seed)
        digest = hashlib.sha256(data).hexdigest()
        cells = tuple(draw(st.lists(cell, max_size=4)))
        scale = draw(st.sampled_from((0.1, 0.13, 0.2)))
        read: Callable[[], bytes] = lambda data=data: data  # noqa: E731
        smear = str(draw(st.integers(1, 2)))
        fields.append(WholeField(digest, WIDTH, HEIGHT, scale, f"cal-{seed}", smear, cells, read))
    return WholeSet("any", "smear-13", draw(st.sampled_from(("blood", "marrow"))), labels, fields, ())


def near(one: WholeSet, other: WholeSet) -> bool:
    """Whether two sets are the same to a thousandth of a pixel."""
    pairs = [
        pair
        for a, b in zip(one.fields, other.fields, strict=True)
        for pair in zip(a.cells, b.cells, strict=True)
    ]
    same = all((a.label, a.radius_um) == (b.label, b.radius_um) for a, b in pairs)
    return same and all(abs(a.x - b.x) < 1e-3 and abs(a.y - b.y) < 1e-3 for a, b in pairs)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of=sets(), layout=st.sampled_from(("training", "coco", "yolo")))
def test_any_set_survives_the_way_there_and_back(tmp_path_factory: Any, of: WholeSet, layout: str) -> None:
    back = there_and_back(tmp_path_factory.mktemp("any"), of, layout)
    assert near(of, back)
    assert [(field.digest, field.um_per_px, field.smear, field.calibration) for field in back.fields] == [
        (field.digest, field.um_per_px, field.smear, field.calibration) for field in of.fields
    ]


# What training reads


def test_training_reads_every_cell_as_wide_as_it_needs_it(store: Store, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", training(whole(store)))
    crops = [crop for split in ("train", "val", "test") for crop in cells_of_split(folder, split)]
    assert {image.shape for image, _, _ in crops} == {(REACH_PX, REACH_PX, 3)}
    assert sorted(label for _, label, _ in crops) == sorted(
        ["lymphocyte", "monocyte", "plasma_cell"] * 2 + ["lymphocyte", "blast"]
    )
    assert {source for _, _, source in crops} == {"hemadiff-blood"}


def test_training_takes_artefacts_from_the_fields_away_from_labelled_cells(
    store: Store, tmp_path: Path
) -> None:
    folder = written(tmp_path / "out", training(whole(store)))
    assert any(label == "artefact" for _, label, _ in others_of_split(folder, "train"))
    field = labelled_fields(folder)[0]
    with Image.open(field.path) as image:
        (first, *_) = boxes(field, *image.size)
    assert ((first.left + first.right) / 2, first.kind) == (pytest.approx(100), "white")  # 0.20 µm/px


def test_a_smear_is_on_one_side_only(store: Store, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", training(whole(store)))
    with (folder / "cells" / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sides = {(row["group"], row["split"]) for row in rows}
    assert len(sides) == len({group for group, _ in sides}) == 3
    assert {split for _, split in sides} == {"train", "val", "test"}
    assert len(labelled_cells(folder)) == len(rows) == 8


def test_a_smear_that_comes_later_moves_none() -> None:
    many = [str(n) for n in range(40)]
    assert all(splits(many)[each] == splits(many[:7])[each] for each in many[:7])
    assert [list(splits(many).values()).count(name) for name in ("train", "val", "test")] == [28, 6, 6]


# What others read


def test_coco_is_as_its_format_has_it(store: Store, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", LAYOUTS["coco"](whole(store)))
    said = json.loads((folder / "annotations.json").read_text())
    images = {image["id"]: image for image in said["images"]}
    categories = {each["id"]: each["name"] for each in said["categories"]}
    assert len(images) == 3
    assert len({each["id"] for each in said["annotations"]}) == len(said["annotations"]) == 6
    for image in images.values():
        with Image.open(folder / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
    for each in said["annotations"]:
        left, top, width, height = each["bbox"]
        image = images[each["image_id"]]
        assert 0 <= left <= left + width <= image["width"]
        assert 0 <= top <= top + height <= image["height"]
        assert (each["area"], each["iscrowd"]) == (pytest.approx(width * height), 0)
    first = said["annotations"][0]
    assert categories[first["category_id"]] == "lymphocyte"
    assert first["bbox"] == [130.0, 130.0, 140.0, 140.0], "7 µm about the place that was tapped"


def test_yolo_is_as_its_format_has_it(store: Store, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", LAYOUTS["yolo"](whole(store)))
    names = dict(re.findall(r"^  (\d+): (\w+)$", (folder / "data.yaml").read_text(), re.M))
    pictures = sorted(folder.glob("images/*/*.png"))
    assert len(pictures) == 3
    found = []
    for picture in pictures:
        lines = (folder / "labels" / picture.parent.name / f"{picture.stem}.txt").read_text().splitlines()
        for line in lines:
            kind, *shares = line.split()
            assert all(0 <= float(share) <= 1 for share in shares)
            assert len(shares) == 4
            found.append(names[kind])
    assert sorted(found) == sorted(["lymphocyte", "monocyte", "plasma_cell"] * 2)


def test_another_programs_folder_is_taken_once_its_scale_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes(a_field())
    said = {
        "images": [{"id": 7, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [150, 150, 100, 100]}],
        "categories": [{"id": 3, "name": "blast"}],
    }
    (folder / "annotations.json").write_text(json.dumps(said))
    with pytest.raises(ApplianceRefused, match="--um-per-px"):
        read_folder(folder, Stated(specimen="marrow"))
    found = read_folder(folder, Stated(specimen="marrow", um_per_px=UM_PER_PX))
    assert found.fields[0].cells == (WholeCell(200, 200, "blast"),)


@pytest.mark.parametrize("name", ["annotations.json", "set.json", "cells/cells.csv", "data.yaml"])
def test_a_damaged_folder_is_refused_in_a_sentence(store: Store, tmp_path: Path, name: str) -> None:
    layout = {"annotations.json": "coco", "data.yaml": "yolo"}.get(name, "training")
    folder = written(tmp_path / "out", LAYOUTS[layout](whole(store)))
    (folder / name).write_text("{" if name.endswith("json") else "path,source\nx,y\n")
    with pytest.raises(ApplianceRefused, match="Export"):
        read_folder(folder, Stated())


def test_no_picture_from_outside_the_folder_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    (folder / "images").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(a_field())
    image = {"id": 1, "file_name": "../../secret.png"}
    (folder / "annotations.json").write_text(
        json.dumps({"images": [image], "annotations": [], "categories": []})
    )
    with pytest.raises(ApplianceRefused, match="outside the folder"):
        read_folder(folder, Stated(specimen="blood", um_per_px=0.1))


# What must not leave


@pytest.mark.parametrize("layout", ["training", "coco", "yolo"])
def test_no_patient_and_no_person_is_named_in_what_leaves(store: Store, layout: str) -> None:
    (slide,) = store.rows("SELECT slide FROM runs")
    secrets = [PATIENT, "H-4711", RUN, slide["slide"], "anna", "ben", "dr.berg"]
    for path, data in LAYOUTS[layout](whole(store)):
        assert [secret for secret in secrets if secret in path or secret.encode() in data] == [], path


def test_a_field_that_waits_is_not_exported_unasked(store: Store) -> None:
    field = with_field(store, LabelSets(store).get("Erythroid").id, 9, "1")
    said_of(store, field, "anna", {PLACES[0]: "blast"})
    with pytest.raises(ApplianceRefused, match="1 field of Erythroid wait"):
        whole(store)
    without = whole(store, unfinished=True)
    assert (len(without.fields), without.left_out) == (3, 1)


# The command and the page


def test_the_command_exports_and_imports(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    (tmp_path / "store.sqlite").rename(at_home(tmp_path, monkeypatch))
    out = tmp_path / "out"
    assert "8 cells of 3 fields are in" in hemadiff("labels", "export", "Erythroid", str(out)).output
    assert hemadiff("labels", "export", "Erythroid", str(out)).exit_code == 2
    again = hemadiff("labels", "import", str(out), "--by", "cleo", "--name", "Again")
    assert "8 cells of 3 fields are in the set Again" in again.output, again.output
    assert "Again\t3 of 3 fields done\t8 cells" in hemadiff("labels", "list").output


def test_the_command_proposes_what_the_detector_finds_where_nobody_has_begun(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = with_field(store, LabelSets(store).get("Erythroid").id, 9)
    store.close()
    path = at_home(tmp_path, monkeypatch)
    (tmp_path / "store.sqlite").rename(path)

    class Finder:
        name = "detector 0123"

        def detect(self, pixels: Any, um_per_px: float) -> list[Detection]:
            return [Detection(*PLACES[0], 6.5, 0.9), Detection(20, 20, 6.5, 0.9)]  # one at the border

    monkeypatch.setattr("models.detector.NetworkDetector", Finder)
    said = hemadiff("labels", "propose", "Erythroid", "--by", "cleo").output
    assert "1 cell proposed in 1 field that nobody has begun, by detector 0123." in said
    with Store.read_only(path) as found:
        sets = LabelSets(found)
        (cell,) = sets.reading(sets.field(field)).cells
    assert (cell.x, cell.y, cell.radius_um, cell.origin) == (200, 200, 6.5, "proposal")
