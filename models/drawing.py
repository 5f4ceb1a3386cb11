"""Charts as files: the same look, and the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#1f2933"
FAINT = "#9aa5b1"
COLOURS = (  # Okabe and Ito 2008, then Tol's muted scheme: told apart by colour-blind people as far as fourteen can be
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),
    *("#882255", "#117733", "#332288", "#999933", "#AA4499", "#44AA99", "#7F4F24"),
)
MARKERS = "o^sDvPX*d<>hp"  # thirteen: no pair of colour and marker comes twice in 182

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "grid.color": "#e4e7eb",
    "svg.hashsalt": "hemadiff",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure to draw on (inches); when the block ends it is written: SVG where the name says so, else PNG."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        vector = path.suffix == ".svg"
        figure.savefig(path, format="svg" if vector else "png", metadata={"Date": None} if vector else None)


def say_empty(axes: Axes, what: str) -> None:
    """Write on axes without data why there are none."""
    axes.text(0.5, 0.5, what, ha="center", va="center", color=FAINT, transform=axes.transAxes)


def spelt(label: str) -> str:
    """Return a label's name as a person writes it."""
    return label.replace("_", " ")
