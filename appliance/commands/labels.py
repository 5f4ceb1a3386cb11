"""`hemadiff labels`: labelled sets, out of the instrument and into it, and where the detector sees cells."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session, pass_session
from appliance.errors import ApplianceRefused

if TYPE_CHECKING:
    from appliance.labelling.whole import WholeField, WholeSet

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def labels() -> None:
    """Labelled sets: list, export, import, and propose cells. Fields are labelled on the page. Research use only.

    \b
    Examples:
      hemadiff labels list
      hemadiff labels export erythroid training/
      hemadiff labels import elsewhere/ --by robin
      hemadiff labels propose erythroid --by robin
    """


@labels.command("list")
@pass_session
def list_sets(session: Session) -> None:
    """List every set, with its fields and cells.

    \b
    Example:
      hemadiff labels list
    """
    from appliance.labelling.needs import overview
    from appliance.labelling.sets import LabelSets
    from appliance.store import Store

    with Store.read_only(session.config.store.path) as store:
        sets = LabelSets(store)
        found = [(each, overview(sets, each)) for each in sets.all()]
    for each, seen in found:
        click.echo(
            f"{each.id}\t{each.name}\t{seen.done} of {len(seen.fields)} fields done\t{seen.cells} cells"
        )
    if not found:
        click.echo("No set yet. Make one on the page, or: hemadiff labels import FOLDER.")


@labels.command()
@click.argument("name", metavar="SET")
@click.argument("out", type=FOLDER)
@click.option(
    "--as", "layout", type=click.Choice(["training", "coco", "yolo"]), default="training", show_default=True
)
@click.option("--unfinished", is_flag=True, help="Leave fields out that wait, instead of refusing.")
@click.option("--by", metavar="NAME", help="Who exports. Default: the command line.")
@pass_session
def export(session: Session, name: str, out: Path, layout: str, unfinished: bool, by: str | None) -> None:
    """Write a set into a new folder: as hemadiff-train reads it, as COCO or as YOLO. SET is its name or id.

    No patient and no person is named in it.

    \b
    Examples:
      hemadiff labels export erythroid training/
      hemadiff labels export erythroid coco/ --as coco --unfinished
    """
    from appliance.audit import HERE
    from appliance.labelling.layouts import LAYOUTS
    from appliance.labelling.sets import LabelSets
    from appliance.labelling.whole import whole_set
    from appliance.service_desk import desk
    from appliance.store import Store

    if out.exists() and any(out.iterdir()):
        raise ApplianceRefused(f"{out} is not empty. Name a new folder.")
    with Store.read_only(session.config.store.path) as store:
        sets = LabelSets(store)
        of = sets.get(name)
        whole = whole_set(sets, of, unfinished=unfinished)
        for path, data in LAYOUTS[layout](whole):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(data)
    with desk(session.config) as ask:
        ask("label_set_exported", by=by or HERE, set=of.id, layout=layout)
    said = f"{_cells(whole)} cells of {len(whole.fields)} fields are in {out}."
    click.echo(said + (f" {whole.left_out} fields wait and are left out." if whole.left_out else ""))


@labels.command("import")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--by", required=True, metavar="NAME", help="Who answers for the labels.")
@click.option("--name", metavar="NAME", help="Of the new set. Default: as the folder says.")
@click.option("--panel", metavar="PANEL", help="Default: as the folder says, else smear-13.")
@click.option("--specimen", type=click.Choice(["marrow", "blood"]), help="Default: as the folder says.")
@click.option("--um-per-px", type=float, metavar="F", help="Of every picture. Default: as the folder says.")
@pass_session
def import_folder(session: Session, /, folder: Path, by: str, **stated: Any) -> None:
    """Make a set from a folder with cells/cells.csv, annotations.json (COCO) or data.yaml (YOLO).

    \b
    Examples:
      hemadiff labels import training/ --by robin
      hemadiff labels import coco/ --by robin --um-per-px 0.1 --specimen marrow
    """
    from appliance.labelling.folders import Stated, read_folder
    from appliance.service_desk import desk

    whole = read_folder(folder, Stated(**stated))
    with desk(session.config) as ask:
        taken = put(ask, whole, by)
    left = _cells(whole) - taken
    said = f"{taken} cells of {len(whole.fields)} fields are in the set {whole.name}."
    click.echo(said + (f" {left} lie within 10.6 µm of a border and are left out." if left else ""))


def put(ask: Any, whole: WholeSet, by: str) -> int:
    """Ask the instrument to take a set; return how many cells it took. ask: as `service_desk.desk` gives it."""
    from appliance.labelling.asks import MOST_SINGLES

    said = {"panel": whole.panel, "specimen": whole.specimen, "labels": list(whole.labels), "wanted": 2}
    made = str(ask("make_label_set", by=by, name=whole.name, **said)["set"])
    taken = len(whole.singles)
    for field in whole.fields:
        cells = _with_crops(field)
        taken += len(cells)
        ask(
            "import_label_field", by=by, set=made, picture=_text(field.read()), um_per_px=field.um_per_px,
            calibration=field.calibration, smear=field.smear, cells=cells,
        )  # fmt: skip
    singles = iter(whole.singles)
    while some := list(islice(singles, MOST_SINGLES)):
        sent = [{"crop": _text(each.crop), "label": each.label, "smear": each.smear} for each in some]
        ask("import_label_singles", by=by, set=made, cells=sent)
    return taken


@labels.command()
@click.argument("name", metavar="SET")
@click.option("--by", required=True, metavar="NAME", help="Who asks for it.")
@pass_session
def propose(session: Session, name: str, by: str) -> None:
    """Let the bundled detector propose cells in every field that nobody has begun. A person gives each its label.

    \b
    Example:
      hemadiff labels propose erythroid --by robin
    """
    from appliance.labelling.pictures import crop_png, pixels_of
    from appliance.labelling.sets import LabelSets
    from appliance.service_desk import desk
    from appliance.store import Store
    from appliance.wording import number_of
    from models.detector import NetworkDetector

    detector = NetworkDetector()
    with Store.read_only(session.config.store.path) as store:
        sets = LabelSets(store)
        fields = sets.fields(sets.get(name).id)
        free = [
            (each, sets.picture(each.id))
            for each in fields
            if not sets.reading(each).readers and not each.labelled
        ]
    proposed = 0
    with desk(session.config) as ask:
        for field, picture in free:
            cells = []
            for found in detector.detect(pixels_of(picture), field.um_per_px):
                try:
                    crop = crop_png(picture, field.um_per_px, found.x, found.y)
                except ApplianceRefused:  # too near to the border
                    continue
                cells.append({"x": found.x, "y": found.y, "radius_um": found.radius_um, "crop": _text(crop)})
            proposed += ask("propose_label_cells", by=by, field=field.id, cells=cells)["proposed"]
    where = f"{number_of(len(free), 'field')} that nobody has begun"
    click.echo(f"{number_of(proposed, 'cell')} proposed in {where}, by {detector.name}.")


def _with_crops(field: WholeField) -> list[dict[str, Any]]:
    from appliance.labelling.pictures import crop_png

    picture, cells = field.read(), []
    for cell in field.cells:
        with suppress(ApplianceRefused):  # too near to the border to learn from
            crop = _text(crop_png(picture, field.um_per_px, cell.x, cell.y))
            cells.append(
                {"x": cell.x, "y": cell.y, "label": cell.label, "radius_um": cell.radius_um, "crop": crop}
            )
    return cells


def _cells(whole: WholeSet) -> int:
    return sum(len(field.cells) for field in whole.fields) + len(whole.singles)


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
