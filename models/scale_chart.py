"""The chart of what a wrong pixel size costs."""

from __future__ import annotations

from pathlib import Path

from models.drawing import COLOURS, FAINT, MARKERS, drawing, say_empty
from models.scale_evaluation import ScaleEvaluation

RESEARCH_USE = "Research use only."


def draw_scales(found: ScaleEvaluation, path: Path, title: str) -> None:
    """Draw accuracy over how wrong the stated pixel size is, and accuracy over pixel size where it is right."""
    with drawing(path, 10, 4.8) as figure:
        figure.suptitle(f"{title}. {RESEARCH_USE}")
        wrong, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        wrong.set_title("the pixel size stated wrong")
        wrong.set_xlabel("stated pixel size less the true one, %")
        wrong.set_ylabel("named right, %")
        right.set_title("the pixel size stated right")
        right.set_xlabel("pixel size, µm")
        if not found.resampled:
            say_empty(wrong, "no cells")
            return
        for i, size in enumerate(dict.fromkeys(each.um_per_px for each in found.resampled)):
            mine = [each for each in found.resampled if each.um_per_px == size]
            wrong.plot(
                [100 * each.wrong_by for each in mine], [100 * each.accuracy for each in mine],
                marker=MARKERS[i], color=COLOURS[i], label=f"{size:.2f} µm",
            )  # fmt: skip
        wrong.axvline(0, color=FAINT, linewidth=0.8)
        wrong.legend(title="pixel size", frameon=False)
        rightly = [each for each in found.resampled if each.wrong_by == 0]
        for i, source in enumerate(rightly[0].by_source if rightly else ()):
            right.plot(
                [each.um_per_px for each in rightly], [100 * each.by_source[source] for each in rightly],
                marker=MARKERS[i], color=COLOURS[-1 - i], label=source,
            )  # fmt: skip
        right.legend(title="laboratory", frameon=False)
