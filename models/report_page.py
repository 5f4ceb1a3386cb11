"""The page of a report: a folder that can be read anywhere, without a network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Column, Table

from models.drawing import spelt
from models.figures import shown
from models.pictures import as_address

CHARTS = "charts"


def write_page(folder: Path, template: str, **values: Any) -> Path:
    """Render a template with values, escaped, into a folder, under the template's own name; return the file."""
    environment = Environment(
        loader=PackageLoader("models"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {"figures": _are_figures, "unknown": math.isnan}
    environment.filters |= {
        "percent": percent,
        "share": share,
        "spelt": spelt,
        "picture": as_address,
        "rows": _rows,
    }
    page = folder / template
    page.write_text(environment.get_template(template).render(charts=CHARTS, **values), encoding="utf-8")
    return page


def draw_both(folder: Path, name: str, draw: Callable[[Path], None]) -> str:
    """Draw a chart as ``charts/NAME.svg`` and ``.png``, for screen and document; return the name.

    What cannot be part of a file's name anywhere becomes a hyphen.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", name)
    (folder / CHARTS).mkdir(parents=True, exist_ok=True)
    for ending in ("svg", "png"):
        draw(folder / CHARTS / f"{name}.{ending}")
    return name


def today() -> str:
    """Return the date of a report, YYYY-MM-DD, UTC."""
    return datetime.now(UTC).date().isoformat()


def percent(value: float) -> str:
    """Return a share as a percentage of one decimal, a dash where it is not known."""
    return shown(100 * value, 1)


def share(value: float) -> str:
    """Return a share with three decimals, a dash where it is not known."""
    return shown(value, 3)


def _rows(table: Table) -> list[tuple[str, ...]]:
    return list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))


def _are_figures(column: Column) -> bool:
    return all(re.fullmatch(r"[-−–\d.,]+", str(cell)) for cell in column.cells)
