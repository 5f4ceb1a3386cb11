"""Reading a panel's TOML file, strictly: what is not understood is refused by name."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from models.errors import ModelRefused
from models.panel import (
    MEASURES,
    UNIDENTIFIED,
    Customs,
    Label,
    Loinc,
    Merged,
    Panel,
    Specimen,
    did_you_mean,
    is_percentage,
)

LINEAGES = ("undetermined", "granulocytic", "monocytic", "lymphoid", "erythroid", "megakaryocytic", "none")
SIDES = ("granulocytic", "erythroid")

Table = Mapping[str, Any]


def read_panel(text: str, where: str) -> Panel:
    """Return the panel that a TOML text describes.

    where: what to call the file in a refusal.  Raises ModelRefused for anything unknown, missing or double.
    """
    try:
        return _panel(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise ModelRefused(f"{where}: this is not TOML ({error}).") from error


def _panel(table: Table, where: str) -> Panel:
    _only(table, ("name", "title", "source", "label", "merged", "outputs", *Specimen), where)
    labels = tuple(_label(entry, f"{where}, label {i}") for i, entry in enumerate(_tables(table, where), 1))
    names = tuple(label.name for label in labels)
    for name in names:
        if names.count(name) > 1:
            raise ModelRefused(f'{where}: the label "{name}" is there twice. Remove one.')
    merged = _merged(table["merged"], names, f"{where}, [merged]") if "merged" in table else None
    rows = (*names, *((merged.name,) if merged else ()))
    panel = Panel(
        name=_text(table, "name", where),
        title=_text(table, "title", where),
        source=_text(table, "source", where),
        labels=labels,
        customs={
            s: _customs(_table(table, s, where), rows, f"{where}, [{s}]") for s in Specimen if s in table
        },
        merged=merged,
        outputs=_outputs(_table(table, "outputs", where), names, f"{where}, [outputs]"),
    )
    if not panel.specimens:
        raise ModelRefused(f"{where}: say what the panel counts: add a table [marrow] or [blood].")
    for specimen, customs in panel.customs.items():
        counted = {label.name for label in panel.counted(specimen)}
        for name in customs.watched:
            if name not in counted:
                raise ModelRefused(
                    f'{where}, [{specimen}]: "{name}" is outside the denominator; it cannot be watched.'
                )
    return panel


def _label(table: Any, where: str) -> Label:
    if not isinstance(table, dict):
        raise ModelRefused(f"{where} must be a table.")
    _only(table, ("name", "title", "short", "lineage", "maturation", "counted", "side"), where)
    name = _text(table, "name", where)
    if name == UNIDENTIFIED:
        raise ModelRefused(f'{where}: "{UNIDENTIFIED}" belongs to every panel already. Remove it.')
    side = table.get("side")
    if side is not None:
        _one_of(side, SIDES, "side", where)
    maturation = table.get("maturation")
    if maturation is not None and (type(maturation) is not int or maturation < 1):
        raise ModelRefused(f"{where}: maturation must be a whole number from 1, the youngest.")
    counted = table.get("counted")
    if not isinstance(counted, bool):
        raise ModelRefused(f"{where}: counted must be true or false.")
    return Label(
        name=name,
        title=_text(table, "title", where),
        short=_text(table, "short", where),
        lineage=_one_of(_text(table, "lineage", where), LINEAGES, "lineage", where),
        maturation=maturation,
        counted=counted,
        side=side,
    )


def _merged(table: Any, names: tuple[str, ...], where: str) -> Merged:
    if not isinstance(table, dict):
        raise ModelRefused(f"{where}: must be a table.")
    _only(table, ("name", "title", "short", "members"), where)
    name = _text(table, "name", where)
    members = table.get("members")
    if name in names or name == UNIDENTIFIED:
        raise ModelRefused(f'{where}: "{name}" is a label already. Give the merged row its own name.')
    if not isinstance(members, list) or len(members) < 2:
        raise ModelRefused(f"{where}: members must list at least two labels.")
    for member in members:
        _one_of(member, names, "member", where)
    return Merged(name, _text(table, "title", where), _text(table, "short", where), tuple(members))


def _outputs(table: Table, names: tuple[str, ...], where: str) -> Mapping[str, str]:
    for output, label in table.items():
        if output in names:
            raise ModelRefused(f'{where}: "{output}" is a label of the panel and needs no entry here.')
        _one_of(label, (*names, UNIDENTIFIED), "label", where)
    return dict(table)


def _customs(table: Table, rows: tuple[str, ...], where: str) -> Customs:
    _only(table, ("watched", "reference", "reference_source", "loinc"), where)
    watched = _table(table, "watched", where)
    reference = _table(table, "reference", where)
    for name in watched:
        _one_of(name, rows, "label", f"{where} watched")
    for name in reference:
        _one_of(name, (*rows, *MEASURES), "label or measure", f"{where} reference")
    if reference and not table.get("reference_source"):
        raise ModelRefused(f"{where}: reference ranges need a reference_source.")
    return Customs(
        watched={name: limits(value, f"{where} {name}") for name, value in watched.items()},
        reference={
            name: reference_range(value, f"{where} {name}", is_percentage(name))
            for name, value in reference.items()
        },
        reference_source=_text(table, "reference_source", where) if "reference_source" in table else "",
        loinc={
            name: _loinc(name, value, rows, f"{where} loinc")
            for name, value in _table(table, "loinc", where).items()
        },
    )


def _loinc(name: str, value: Any, rows: tuple[str, ...], where: str) -> Loinc:
    _one_of(name, (*rows, *MEASURES), "label or measure", where)
    if (
        not isinstance(value, dict)
        or set(value) != {"code", "verified"}
        or type(value["verified"]) is not bool
    ):
        raise ModelRefused(f'{where}: write {name} = {{ code = "12345-6", verified = false }}.')
    code = str(value["code"])
    if not _check_digit_fits(code):
        raise ModelRefused(f'{where}: "{code}" ({name}) is no LOINC code: its check digit does not fit.')
    return Loinc(code, value["verified"])


def _check_digit_fits(code: str) -> bool:
    """Whether a LOINC code ends in its Mod 10 check digit (LOINC Users' Guide, appendix on check digits)."""
    number, dash, check = code.partition("-")
    if not (dash and number.isdigit() and len(check) == 1 and check.isdigit()):
        return False
    doubled = str(int(number[::-1][::2][::-1]) * 2)
    rest = number[::-1][1::2][::-1]
    return (-sum(map(int, rest + doubled))) % 10 == int(check)


def limits(value: object, where: str) -> tuple[float, ...]:
    """Return decision limits: percentages in rising order, or none. Raises ModelRefused."""
    if isinstance(value, list | tuple) and all(_is_number(v) and 0 < v < 100 for v in value):
        numbers = tuple(float(v) for v in value)
        if numbers == tuple(sorted(set(numbers))):
            return numbers
    raise ModelRefused(f"{where}: limits are rising percentages between 0 and 100, such as [5, 10, 20].")


def reference_range(value: object, where: str, percentage: bool = True) -> tuple[float, float]:
    """Return a reference range: lowest and highest usual value. Raises ModelRefused."""
    highest = 100 if percentage else math.inf
    if isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(v) for v in value):
        low, high = float(value[0]), float(value[1])
        if 0 <= low <= high <= highest and math.isfinite(high):
            return low, high
    numbers = "numbers from 0 to 100" if percentage else "numbers from 0"
    raise ModelRefused(f"{where}: a reference range is two {numbers}, the lower first.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tables(table: Table, where: str) -> list[Any]:
    entries = table.get("label")
    if not isinstance(entries, list) or not entries:
        raise ModelRefused(f"{where}: a panel needs at least one [[label]].")
    return entries


def _table(table: Table, key: str, where: str) -> Table:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ModelRefused(f"{where}: {key} must be a table.")
    return value


def _text(table: Table, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ModelRefused(f"{where}: {key} must be a text and not empty.")
    return value


def _one_of(value: Any, known: Iterable[str], what: str, where: str) -> str:
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise ModelRefused(f'{where}: there is no {what} "{value}".{did_you_mean(str(value), known)}')
    return value


def _only(table: Table, known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            raise ModelRefused(f'{where} has no key "{key}".{did_you_mean(key, known)}')
