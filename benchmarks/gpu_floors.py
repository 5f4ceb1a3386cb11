"""The tables of docs/performance.md that need no GPU: ``python -m benchmarks.gpu_floors`` prints them.

FLOPs and bytes are counted from the networks' files; floors are computed from cards' data sheets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.gpu_graph import Cost, cost_of
from benchmarks.gpu_roofline import DATA_SHEETS, FP16, FP32, floor_of
from benchmarks.gpu_row import number
from models.card import read_card

FIELD = (1, 272, 352, 3)  # 1388 × 1040 px at 0.1 µm, as the detector sees it
SUBJECTS = (
    ("detector", FIELD),
    *((name, (batch, 96, 96, 3)) for name in ("cells", "cells-residual") for batch in (1, 8, 64, 256)),
)
MEGA, GIGA = 1e6, 1e9
COUNT = (
    ("detector", FIELD, 40),
    ("cells", (13, 96, 96, 3), 40),
    ("cells", (30, 96, 96, 3), 40),
    ("cells-residual", (30, 96, 96, 3), 40),
)
"""500 cells in 40 fields, field by field: first looks, then 12 views of every fifth cell by both networks."""

Costs = Sequence[tuple[str, tuple[int, ...], Cost]]


def main() -> None:
    """Print both tables."""
    costs = [(name, shape, cost_of(read_card(name).path, shape)) for name, shape in SUBJECTS]
    print("\n".join(counted(costs)), end="\n\n")
    print("\n".join(floors(costs)))


def counted(costs: Costs) -> Iterator[str]:
    """Yield the table of what networks cost."""
    yield "| network | batch | GFLOP | weights, MB | least bytes, MB (FP32 / FP16) | by layer, MB (FP32 / FP16) |"
    yield "|---|---|---|---|---|---|"
    for name, shape, cost in costs:
        least, layers = (
            " / ".join(number(count(each) / MEGA) for each in (4, 2))
            for count in (cost.least_bytes, cost.bytes_by_layer)
        )
        weights = number(4 * cost.weights / MEGA)
        yield f"| {name} | {_batch(shape)} | {number(cost.flops / GIGA)} | {weights} | {least} | {layers} |"


def floors(costs: Costs) -> Iterator[str]:
    """Yield the table of the least times on the cards of the data sheets, ms: strict, then by layer."""
    heads = [f"{card.name}, {precision.upper()}" for card in DATA_SHEETS for precision in (FP32, FP16)]
    yield f"| network | batch | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 2) + "|"
    for name, shape, cost in costs:
        yield f"| {name} | {_batch(shape)} | {' | '.join(_floors(cost))} |"
    total = [0.0] * len(heads)
    for name, shape, times in COUNT:
        cost = cost_of(read_card(name).path, shape)
        each = [times * floor_of(cost, c, p).by_layer_s for c in DATA_SHEETS for p in (FP32, FP16)]
        total = [one + other for one, other in zip(total, each, strict=True)]
    yield f"| 500 cells, 40 fields | | {' | '.join(f'– / {number(1000 * t)}' for t in total)} |"


def _floors(cost: Cost) -> Iterator[str]:
    for card in DATA_SHEETS:
        for precision in (FP32, FP16):
            floor = floor_of(cost, card, precision)
            yield f"{number(1000 * floor.strict_s)} / {number(1000 * floor.by_layer_s)}"


def _batch(shape: tuple[int, ...]) -> str:
    return str(shape[0]) if shape[1] == shape[2] else f"{shape[2]}×{shape[1]} px"


if __name__ == "__main__":
    main()
