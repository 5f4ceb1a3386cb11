"""How large the benchmark on a GPU is, as the command says it and as every process of it is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

ITEMS = {
    "a": "a field, from the frame in host memory to labels",
    "b": "500 cells from 40 fields",
    "c": "the same by others: PyTorch, and the published way",
    "d": "FLOPs and bytes, the card's own peaks, and how far from the floor",
    "e": "from process start to ready",
    "f": "GPU memory",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and how often.

    device: "cuda", or "cpu" for a rehearsal.  items: letters of `ITEMS`.  repeats: of each timing, at most.
    fields: how many (b) counts.  cells: how many (a) names in a field.  batches: of (d).
    warm_s: the card works for so long before anything is timed.  most_s: what one timing may take.
    peaks: the card's measured peaks, as `gpu_roofline.Card` has them; empty before they were measured.
    plans: the folder of TensorRT's plans, empty for a temporary one.  used_mib: the card's memory before.
    """

    device: str = "cuda"
    items: str = "abcdef"
    repeats: int = 20
    fields: int = 40
    cells: tuple[int, ...] = (8, 32, 64)
    batches: tuple[int, ...] = (1, 8, 64, 256)
    warm_s: float = 2.0
    most_s: float = 12.0
    peaks: tuple[tuple[str, float], ...] = ()
    plans: str = ""
    used_mib: float = 0.0

    @property
    def on_card(self) -> bool:
        """Whether this is measured on a GPU."""
        return self.device == "cuda"

    def to_json(self) -> str:
        """Return it as text, for a child process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Options:
        """Return what `to_json` wrote."""
        entry = json.loads(text)
        for key in ("cells", "batches"):
            entry[key] = tuple(entry[key])
        entry["peaks"] = tuple((name, value) for name, value in entry["peaks"])
        return Options(**entry)

    def rehearsal(self) -> Options:
        """Return the same on the processor, as small as it can be: that everything runs, not how fast."""
        return replace(
            self, device="cpu", repeats=min(self.repeats, 2), fields=2, cells=(2,), batches=(1, 2), warm_s=0.0,
            most_s=2.0,
        )  # fmt: skip
