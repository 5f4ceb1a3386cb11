"""A cascade as data: the TOML file that says which networks decide, and when a cell is looked at again."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.errors import ModelRefused
from models.guidance import Guidance
from models.panel import load_panel

COARSEST = 1.1  # times the canonical scale: beyond it there is nothing left to see


class Precision(StrEnum):
    """In what numbers a global network is computed."""

    FLOAT = "float"
    INT8 = "int8"


class Task(StrEnum):
    """What a specialist may do.

    DECIDE: it shares out the probability that the global network gave to its own outputs.  FIND: it adds a finding
    and changes no label.  SECOND_OPINION: of doubtful cells its views count as much as the global network's.
    """

    DECIDE = "decide"
    FIND = "find"
    SECOND_OPINION = "second opinion"


@dataclass(frozen=True, slots=True)
class Specialist:
    """A network that re-examines some cells.

    labels, finding, found_from: one that finds adds `finding` to cells of `labels` where its probability reaches
    `found_from`.  quantised: its eight-bit twin, which a CPU runs where there is one.
    """

    network: str
    task: Task
    labels: tuple[str, ...] = ()
    finding: str = ""
    found_from: float = 0.5
    quantised: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole cascade. name: of its file.  text: the file as it stands, for the digest.

    network: the global network, float.  quantised: its eight-bit twin, which a CPU runs where there is one.
    """

    name: str
    panel: str
    network: str
    guidance: Guidance
    specialists: tuple[Specialist, ...]
    text: str
    quantised: str | None = None

    def at(self, precision: Precision | None) -> Recipe:
        """Return the same cascade in a precision; None leaves it as it counts. Raises ModelRefused."""
        if precision is Precision.FLOAT:
            exact = tuple(replace(specialist, quantised=None) for specialist in self.specialists)
            return replace(self, quantised=None, specialists=exact)
        if precision is Precision.INT8 and self.quantised is None:
            raise ModelRefused(
                f"The cascade {self.name} names no quantised network. Make one with hemadiff-train quantise, "
                "or use float."
            )
        return self


def twin(network: str) -> str:
    """Return the name of a network's eight-bit twin."""
    return f"{network}-int8"


def cascades_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the panels that a folder of weights has a cascade for, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def bundled_recipe(name: str, folder: Path) -> Recipe:
    """Return the cascade of a panel's weights. Raises ModelRefused where there are none for it."""
    if not (folder / f"{name}.toml").is_file():
        load_panel(name)
        bundled = ", ".join(cascades_in(folder)) or "none"
        raise ModelRefused(f"There are no weights for the panel {name}. Panels with weights: {bundled}.")
    return read_cascade(name, folder)


def read_cascade(name: str, folder: Path) -> Recipe:
    """Read ``NAME.toml``. Raises ModelRefused for a file that is missing, damaged or has unknown keys."""
    path = folder / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
        recipe = Recipe(
            name=name,
            panel=_take(table, "panel"),
            network=_take(table, "network"),
            guidance=_guidance(_take(table, "guidance")),
            specialists=tuple(_specialist(item) for item in table.pop("specialist", [])),
            text=text,
            quantised=_network_name(table.pop("quantised", None)),
        )
        _refuse_left_over(table)
    except OSError as error:
        raise ModelRefused(
            f"The cascade {path} cannot be read: {error.strerror}. Install the weights again."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelRefused(f"{path}: {error}. Correct the file.") from error
    return recipe


def _guidance(table: dict[str, Any]) -> Guidance:
    shifts = tuple((int(x), int(y)) for x, y in _take(table, "shifts_px"))
    turned = _take(table, "turned") is True
    result = Guidance(float(_take(table, "below")), shifts, turned, float(_take(table, "identified_from")))
    _refuse_left_over(table)
    if not 0 <= result.identified_from <= result.below <= 1:
        raise ValueError("[guidance] needs 0 ≤ identified_from ≤ below ≤ 1")
    return result


def _specialist(table: dict[str, Any]) -> Specialist:
    network, task = _take(table, "network"), _take(table, "task")
    if task not in list(Task):
        raise ValueError(f'[[specialist]] task is {" or ".join(map(_quoted, Task))}, not "{task}"')
    result = Specialist(network, Task(task), quantised=_network_name(table.pop("quantised", None)))
    if result.task is Task.FIND:
        labels, found_from = tuple(_take(table, "labels")), float(_take(table, "found_from"))
        result = replace(result, labels=labels, finding=_take(table, "finding"), found_from=found_from)
    _refuse_left_over(table)
    return result


def _network_name(stated: Any) -> str | None:
    if stated is not None and (not isinstance(stated, str) or not stated):
        raise ValueError('"quantised" is the name of a network, in quotes')
    return stated


def _quoted(text: str) -> str:
    return f'"{text}"'


def _take(table: dict[str, Any], key: str) -> Any:
    if key not in table:
        raise ValueError(f'the key "{key}" is missing')
    return table.pop(key)


def _refuse_left_over(table: dict[str, Any]) -> None:
    if table:
        raise ValueError(f'there is no key "{next(iter(table))}"')
