"""The charts of an evaluation. Each reads without colour and says how many cells it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from models.curves import PrecisionRecall, Reliability, reliability
from models.drawing import COLOURS, FAINT, INK, MARKERS, drawing, say_empty, spelt

RESEARCH_USE = "Research use only."
FEW = 10  # answers in a bin: fewer say little, and their point is drawn hollow
COLUMNS = 4
ENOUGH = 12  # cells that are named on the map


def draw_precision_recall(
    curves: Mapping[str, PrecisionRecall],
    achieved: Mapping[str, tuple[float, float]],
    path: Path,
    title: str,
    dot: str,
) -> None:
    """Draw one small chart per name: precision over recall, and a dot for the recall and precision achieved.

    curves, achieved: by name, in order.  dot: what achieves it.
    """
    across = min(COLUMNS, len(curves))
    rows = -(-len(curves) // COLUMNS)
    with drawing(path, max(8, 3 * across), 1.3 + 2.7 * rows) as figure:
        figure.suptitle(f"{title}. {RESEARCH_USE}")
        grid = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, (name, curve) in zip(grid, curves.items(), strict=False):
            _precision_recall(axes, curve, achieved[name])
            axes.set_title(f"{spelt(name)}: {curve.total:,} cells\naverage precision {_share(curve.average)}")
        for axes in grid[len(curves) - across : len(curves)]:  # the lowest of each column
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("recall")
        for axes in grid[::across]:
            axes.set_ylabel("precision")
        for axes in grid[len(curves) :]:
            axes.set_visible(False)
        shown = Line2D([], [], marker="o", linestyle="", color=INK, label=dot)
        figure.legend(handles=[shown], loc="outside lower center", frameon=False)


def draw_reliability(found: Mapping[str, Reliability], path: Path, title: str) -> None:
    """Draw one chart per source: the share of right answers over their probability, above how many there are."""
    found = found or {"no source": reliability([], [])}
    with drawing(path, max(8, 4.6 * len(found)), 6.8) as figure:
        figure.suptitle(f"{title}. {RESEARCH_USE}")
        grid = figure.subplots(2, len(found), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1))
        for axes, (source, each) in zip(grid[0], found.items(), strict=True):
            axes.set_title(
                f"{source}: {each.count.sum():,} cells\nexpected calibration error {_percent(each.error)}"
            )
            _reliability(axes, each)
        grid[0, 0].set_ylabel("share that is right")
        _answers(grid[1], list(found.values()))


def draw_map(
    places: NDArray[np.float32],
    kinds: Sequence[str],
    order: Sequence[str],
    groups: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draw cells at their places (N×2), a marker and a colour per kind.

    kinds: of each cell.  order: of the kinds in the legend.  groups: of each cell; the name of a kind is written
    once in every group that holds enough of it, where most of them lie.
    """
    kind, group = np.asarray(kinds), np.asarray(groups)
    with drawing(path, 10, 7.4) as figure:
        figure.suptitle(f"{title}. {RESEARCH_USE}")
        # The legend has a place of its own: two maps of the same cells lie alike.
        axes, beside = figure.subplots(1, 2, width_ratios=(3, 1))
        for each in (axes, beside):
            each.set_axis_off()
        for i, name in enumerate(order):
            mine = kind == name
            if not mine.any():
                continue
            axes.scatter(
                *places[mine].T,
                s=17,
                marker=MARKERS[i % len(MARKERS)],
                color=COLOURS[i % len(COLOURS)],
                alpha=0.75,
                linewidths=0,
                label=f"{spelt(name)} ({mine.sum():,})",
            )
            for one in dict.fromkeys(group[mine].tolist()):
                _write_name(axes, spelt(name), places[mine & (group == one)])
        legend = beside.legend(
            *axes.get_legend_handles_labels(),
            loc="center left",
            bbox_to_anchor=(-0.06, 0.5),
            frameon=False,
            fontsize=9,
            handletextpad=0.1,
            markerscale=1.6,
        )
        legend.set_in_layout(False)


def _precision_recall(axes: Axes, curve: PrecisionRecall, achieved: tuple[float, float]) -> None:
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    if not curve.total:
        say_empty(axes, "nothing to find")
        return
    if len(curve.recall):
        recall = np.concatenate([[0.0], curve.recall])
        precision = np.concatenate([curve.precision[:1], curve.precision])
        axes.step(recall, precision, where="pre", color=COLOURS[0], linewidth=1.6)
    if not np.isnan(achieved).any():
        _dots(axes, [achieved[0]], [achieved[1]], INK, INK)


def _reliability(axes: Axes, found: Reliability) -> None:
    axes.plot([0, 1], [0, 1], "--", color=FAINT, linewidth=1)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    axes.text(0.03, 0.98, f"above the line: too careful\nhollow: under {FEW} cells", va="top", fontsize=8)
    axes.text(0.99, 0.03, "below the line: too sure", ha="right", fontsize=8)
    filled = found.count > 0
    if not filled.any():
        say_empty(axes, "no cells")
        return
    probability, right, count = found.probability[filled], found.right[filled], found.count[filled]
    axes.vlines(probability, probability, right, color=COLOURS[0], linewidth=4, alpha=0.35)
    for some, face in ((count >= FEW, COLOURS[0]), (count < FEW, "white")):
        if some.any():
            _dots(axes, probability[some], right[some], COLOURS[0], face)


def _answers(row: Sequence[Axes], found: Sequence[Reliability]) -> None:
    """Draw how many answers each bin has on axes that share their scale."""
    first = row[0]
    most = max(1, *(each.count.max() for each in found))
    ticks = [10**power for power in range(len(str(most)))]
    first.set_yscale("log")
    first.set_yticks(ticks, [str(tick) for tick in ticks])
    first.minorticks_off()
    first.set_ylim(0.5, 2 * most)
    first.set_ylabel("cells (log)")
    for axes, each in zip(row, found, strict=True):
        bins = len(each.count)
        axes.bar((np.arange(bins) + 0.5) / bins, each.count, 0.8 / bins, color=FAINT)
        axes.set_xlabel("probability of the likeliest label")


def _write_name(axes: Axes, name: str, places: NDArray[np.float32]) -> None:
    if len(places) < ENOUGH:
        return
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    axes.annotate(
        name,
        places[np.median(distances, axis=1).argmin()],
        ha="center",
        fontsize=9,
        fontweight="bold",
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def _dots(axes: Axes, x: ArrayLike, y: ArrayLike, edge: str, face: str) -> None:
    """Draw whole dots, also on the edge of the axes. There must be one: without any the layout fails."""
    axes.plot(x, y, "o", color=edge, markerfacecolor=face, markersize=6, clip_on=False)


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"
