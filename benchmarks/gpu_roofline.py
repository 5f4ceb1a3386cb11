"""The least time that a card can take for a network: the roofline.

Source: Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model".
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gpu_graph import Cost

FP32, FP16 = "fp32", "fp16"
NUMBER_BYTES = {FP32: 4, FP16: 2}


@dataclass(frozen=True, slots=True)
class Card:
    """How fast a card can be.

    bytes_per_s: memory, read and written together.  flops_per_s: dense, by precision.  measured: here, else from
    `source`, its maker's data sheet.
    """

    name: str
    bytes_per_s: float
    flops_per_s: dict[str, float]
    measured: bool = False
    source: str = ""


# Dense, without structured sparsity; FP32 outside of the matrix units, FP16 inside them.
DATA_SHEETS = (
    Card(
        "H100 SXM5 80 GB",
        3.35e12,
        {FP32: 67e12, FP16: 989.5e12},
        source="NVIDIA H100 data sheet (SXM: 3.35 TB/s)",
    ),
    Card(
        "RTX 4060", 272e9, {FP32: 15.1e12, FP16: 30.2e12}, source="NVIDIA Ada GPU architecture; sums in FP32"
    ),
    Card(
        "Jetson AGX Orin 64 GB",
        204.8e9,
        {FP32: 5.3e12, FP16: 42.5e12},
        source="NVIDIA Jetson AGX Orin technical brief; at full clocks",
    ),
)


@dataclass(frozen=True, slots=True)
class Floor:
    """Seconds that a batch takes at the least.

    strict: nothing moves but pictures, weights and the answer; no engine on this card is faster.
    by_layer: every layer reads and writes its activations in the card's memory. A cache that holds them may beat it.
    """

    strict_s: float
    by_layer_s: float


def floor_of(cost: Cost, card: Card, precision: str) -> Floor:
    """Return the least time of a batch on a card. Raises KeyError for a precision that the card has no figure of."""
    flops_per_s, each = card.flops_per_s[precision], NUMBER_BYTES[precision]
    strict = max(cost.flops / flops_per_s, cost.least_bytes(each) / card.bytes_per_s)
    by_layer = sum(
        max(layer.flops / flops_per_s, layer.bytes_moved(each) / card.bytes_per_s) for layer in cost.layers
    )
    return Floor(strict, max(strict, by_layer))


def balance(card: Card, precision: str) -> float:
    """Return how many FLOPs a card can do in the time of moving one byte: below it a layer waits for memory."""
    return card.flops_per_s[precision] / card.bytes_per_s
