"""One part in a process of its own: ``python -m benchmarks.gpu_child PART OPTIONS FIELDS FIGURES BEGAN [--ready]``.

Every figure is written at once, a line of JSON each: what was measured stays, however the process ends.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu_fields import read_fields
from benchmarks.gpu_options import Options
from benchmarks.gpu_row import Figure

PEAKS = "peaks"


def main(
    part: str, options: Options, fields: Path, figures: Path, began_s: float, *, only_start: bool
) -> None:
    """Measure a part: `PEAKS`, or a variant. began_s: when the process was asked for, on the monotonic clock."""

    def tell(figure: Figure) -> None:
        with figures.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(figure), ensure_ascii=False) + "\n")

    if part == PEAKS:
        from benchmarks.gpu_peaks import measure_peaks

        for figure in measure_peaks(options):
            tell(figure)
        return
    from benchmarks.gpu_measure import measure, open_and_warm

    read = read_fields(fields)
    opened = open_and_warm(part, options, read, tell, began_s)
    if opened is not None and not only_start:
        measure(part, options, read, opened, tell)


if __name__ == "__main__":
    said = sys.argv[1:]
    main(
        said[0],
        Options.from_json(said[1]),
        Path(said[2]),
        Path(said[3]),
        float(said[4]),
        only_start=said[5:] == ["--ready"],
    )
