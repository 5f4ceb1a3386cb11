"""Draw a confusion matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.drawing import drawing, say_empty, spelt


def draw_confusion(
    labels: tuple[str, ...], confusion: tuple[tuple[int, ...], ...], path: Path, title: str
) -> None:
    """Write a picture: a row per expected label, a column per answer, coloured by the share of the row.

    A label that no cell has gets no row, and no column either unless it was answered.
    """
    counts = np.asarray(confusion)
    rows = np.flatnonzero(counts.sum(axis=1))
    columns = np.flatnonzero(counts.sum(axis=1) + counts.sum(axis=0))
    counts = counts[np.ix_(rows, columns)]
    sums = counts.sum(axis=1)
    shares = counts / np.maximum(1, sums[:, None])
    with drawing(path, 9, 3 + 0.4 * max(4, len(rows))) as figure:
        axes = figure.add_subplot()
        axes.set_title(f"{title}. Research use only.")
        if not len(rows):
            say_empty(axes, "no cells")
            return
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), [spelt(labels[i]) for i in columns], rotation=60, ha="right")
        axes.set_yticks(
            range(len(rows)), [f"{spelt(labels[i])}  ({n})" for i, n in zip(rows, sums, strict=True)]
        )
        axes.set_xlabel("answer")
        axes.set_ylabel("expected (cells)")
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            right = rows[row] == columns[column]
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                color=colour,
                fontsize=9 if right else 8,
                fontweight="bold" if right else "normal",
            )
