"""Labelled sets in a store: what each consists of, its fields, and what people said of their cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.labelling.reading import FieldReading, LabelCell, Origin
from appliance.store import Store
from models.panel import Specimen, load_panel

LATEST = "coalesce((SELECT withdrawn FROM label_withdrawals AS each WHERE each.{} ORDER BY each.id DESC LIMIT 1), 0)"
SET = f"*, {LATEST.format('label_set = label_sets.id')} AS withdrawn"
FIELD = (
    "id, label_set, width, height, um_per_px, calibration, smear, labelled, digest, run IS NOT NULL AS captured, "
    f"{LATEST.format('field = label_fields.id')} AS withdrawn"
)

SIGNED_LABELS = """
SELECT cell, label_to FROM reclassifications WHERE id IN (
  SELECT max(given.id) FROM reclassifications AS given JOIN signatures ON signatures.run = given.run
  WHERE signatures.id IN (SELECT max(id) FROM signatures WHERE status IN ('final', 'amended') GROUP BY run)
  AND given.reading = 'review' AND given.id <= signatures.after
  AND given.cell IN (SELECT cell FROM label_singles WHERE label_set = ?) GROUP BY given.cell)
"""
"""What the last signatures call the cells of a set, of those that people gave a label; the others are as they were."""

FITS_A_BUTTON = 11  # letters


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A set. labels: what a cell may be called, in clinical order.  wanted: how many people label each field.

    withdrawn: whether it is left out of everything, until somebody puts it back.
    """

    id: str
    name: str
    panel: str
    specimen: Specimen
    labels: tuple[str, ...]
    wanted: int
    withdrawn: bool = False

    def title(self, label: str) -> str:
        """Return a label for a person: the panel's title, or its own name where it is none of the panel's."""
        titles = {each.name: each.title for each in load_panel(self.panel).labels}
        return titles.get(label, label.replace("_", " ").capitalize())

    def short(self, label: str) -> str:
        """Return a label for a narrow button: the panel's short name where the title is long."""
        if len(self.title(label)) <= FITS_A_BUTTON:
            return self.title(label)
        shorts = {each.name: each.short for each in load_panel(self.panel).labels}
        return shorts.get(label) or self.title(label)

    def checked(self, label: object) -> str:
        """Return a label of the set. Raises ApplianceRefused for another."""
        if label not in self.labels:
            raise ApplianceRefused(
                f'The set {self.name} has no label "{label}". It has {", ".join(self.labels)}.'
            )
        return str(label)


@dataclass(frozen=True, slots=True)
class LabelField:
    """A field's picture, without its bytes. width, height: px of it.  calibration: the id of its scale.

    smear: the same for fields of one smear; names nobody.  labelled: whether it came with its labels.
    captured: whether a run of this instrument counted it.  digest: SHA-256 of the picture.  withdrawn: as of a set.
    """

    id: int
    set: str
    width: int
    height: int
    um_per_px: float
    calibration: str
    smear: str
    labelled: bool
    captured: bool
    digest: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class SingleCell:
    """A cell that joined a set without its field, from a signed run or a folder of crops."""

    id: int
    label: str
    smear: str


class LabelSets:
    """The sets of a store; everything here works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read there, in the thread to which the store belongs."""
        self._store = store

    def all(self, *, withdrawn: bool = False) -> list[LabelSet]:
        """Return the sets by name. withdrawn: those that were, and otherwise the others."""
        found = [_set(row) for row in self._store.rows(f"SELECT {SET} FROM label_sets ORDER BY name")]
        return [each for each in found if each.withdrawn is withdrawn]

    def get(self, set_id: str) -> LabelSet:
        """Return a set by its id or its name. Raises ApplianceRefused where there is none."""
        rows = self._store.rows(f"SELECT {SET} FROM label_sets WHERE id = ?1 OR name = ?1", set_id)
        if not rows:
            raise ApplianceRefused(f'There is no labelled set "{set_id}".')
        return _set(rows[0])

    def standing(self, set_id: str) -> LabelSet:
        """Return a set that something is asked of. Raises ApplianceRefused for one that was withdrawn."""
        found = self.get(set_id)
        if found.withdrawn:
            raise ApplianceRefused(f"The set {found.name} is withdrawn. Put it back first.")
        return found

    def fields(self, set_id: str, *, withdrawn: bool = False) -> list[LabelField]:
        """Return a set's fields in the order in which they came. withdrawn: those that were, or the others."""
        sql = f"SELECT {FIELD} FROM label_fields WHERE label_set = ? ORDER BY id"
        found = [_field(row) for row in self._store.rows(sql, set_id)]
        return [each for each in found if each.withdrawn is withdrawn]

    def smears(self, set_id: str) -> list[str]:
        """Return the smears of a set in the order in which they first came, whatever was withdrawn or came since."""
        sql = "SELECT smear FROM label_smears WHERE label_set = ? ORDER BY id"
        return [row["smear"] for row in self._store.rows(sql, set_id)]

    def field(self, field: int) -> LabelField:
        """Return a field. Raises ApplianceRefused where there is none."""
        rows = self._store.rows(f"SELECT {FIELD} FROM label_fields WHERE id = ?", field)
        if not rows:
            raise ApplianceRefused(f"There is no field {field} to label.")
        return _field(rows[0])

    def picture(self, field: int) -> bytes:
        """Return a field's picture, a PNG or a JPEG. Raises ApplianceRefused where there is none."""
        rows = self._store.rows("SELECT picture FROM label_fields WHERE id = ?", field)
        if not rows:
            raise ApplianceRefused(f"There is no field {field} to label.")
        return bytes(rows[0]["picture"])

    def crop(self, cell: int) -> bytes:
        """Return the 96×96 crop of a field's cell, a PNG. Raises ApplianceRefused where there is none."""
        rows = self._store.rows("SELECT crop FROM label_cells WHERE id = ?", cell)
        if not rows:
            raise ApplianceRefused(f"There is no labelled cell {cell}.")
        return bytes(rows[0]["crop"])

    def field_of(self, cell: int) -> LabelField:
        """Return the field of a cell. Raises ApplianceRefused where there is none."""
        rows = self._store.rows("SELECT field FROM label_cells WHERE id = ?", cell)
        if not rows:
            raise ApplianceRefused(f"There is no labelled cell {cell}.")
        return self.field(rows[0]["field"])

    def reading(self, field: LabelField) -> FieldReading:
        """Return a field with everything that was said of it."""
        rows = self._store.rows
        cells = [
            LabelCell(row["id"], row["x"], row["y"], Origin(row["origin"]), row["radius_um"])
            for row in rows("SELECT * FROM label_cells WHERE field = ? ORDER BY id", field.id)
        ]
        said: dict[str, dict[int, str]] = {}
        begun: dict[str, str] = {}
        for row in rows(
            "SELECT label_marks.* FROM label_marks JOIN label_cells ON label_cells.id = label_marks.cell "
            "WHERE label_cells.field = ? ORDER BY label_marks.id",
            field.id,
        ):
            begun.setdefault(row["who"], row["at"])
            own = said.setdefault(row["who"], {})
            if row["label"] is None:
                own.pop(row["cell"], None)
            else:
                own[row["cell"]] = row["label"]
        finished = rows("SELECT who, at FROM label_finished WHERE field = ? ORDER BY id", field.id)
        for row in finished:
            begun.setdefault(row["who"], row["at"])
        settled = rows(
            "SELECT label_settled.* FROM label_settled JOIN label_cells ON label_cells.id = label_settled.cell "
            "WHERE label_cells.field = ? ORDER BY label_settled.id",
            field.id,
        )
        return FieldReading(
            cells=cells,
            wanted=0 if field.labelled else self.get(field.set).wanted,
            readers=tuple(sorted(begun, key=lambda who: (begun[who], who))),
            finished=frozenset(row["who"] for row in finished),
            said=said,
            settled={row["cell"]: row["label"] for row in settled},
            withdrawn=field.withdrawn or self.get(field.set).withdrawn,
        )

    def singles(self, set_id: str) -> list[SingleCell]:
        """Return the cells that joined without a field, in the order in which they came, each as it joined last.

        What its run's last signature calls otherwise by now is left out until it joins again: see `amended`.
        """
        return [one for one, amended in self._joined(set_id) if not amended]

    def amended(self, set_id: str) -> int:
        """Return how many cells an amendment that was signed since they joined calls otherwise."""
        return sum(amended for _, amended in self._joined(set_id))

    def _joined(self, set_id: str) -> list[tuple[SingleCell, bool]]:
        rows = self._store.rows(
            "SELECT id, label, smear, cell FROM label_singles WHERE id IN (SELECT max(id) FROM label_singles "
            "WHERE label_set = ? GROUP BY coalesce(cell, -id)) ORDER BY id",
            set_id,
        )
        signed = {row["cell"]: row["label_to"] for row in self._store.rows(SIGNED_LABELS, set_id)}
        return [
            (
                SingleCell(row["id"], row["label"], row["smear"]),
                signed.get(row["cell"], row["label"]) != row["label"],
            )
            for row in rows
        ]

    def single_crop(self, single: int) -> bytes:
        """Return the 96×96 crop of such a cell, a PNG. Raises ApplianceRefused where there is none."""
        rows = self._store.rows("SELECT crop FROM label_singles WHERE id = ?", single)
        if not rows:
            raise ApplianceRefused(f"There is no single cell {single}.")
        return bytes(rows[0]["crop"])


def smear_of(set_id: str, slide: str) -> str:
    """Return how a set calls a slide of this instrument: the same for its every field, and nobody's number."""
    return "r" + hashlib.sha256(f"{set_id} {slide}".encode()).hexdigest()[:10]


def _set(row: Mapping[str, Any]) -> LabelSet:
    return LabelSet(
        row["id"],
        row["name"],
        row["panel"],
        Specimen(row["specimen"]),
        tuple(json.loads(row["labels"])),
        row["wanted"],
        bool(row["withdrawn"]),
    )


def _field(row: Mapping[str, Any]) -> LabelField:
    return LabelField(
        row["id"], row["label_set"], row["width"], row["height"], row["um_per_px"], row["calibration"], row["smear"],
        bool(row["labelled"]), bool(row["captured"]), row["digest"], bool(row["withdrawn"]),
    )  # fmt: skip
