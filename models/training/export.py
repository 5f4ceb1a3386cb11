"""Write a trained network as ONNX, check it against PyTorch, and write its model card."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from models.figures import without_nan

OPSET = 18
TOLERANCE = 1e-4
BATCHES = (1, 3, 8)


SOURCES = (
    "pbc: Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0",
    "mll: Matek et al. 2021, Blood 138:1917, TCIA 10.7937/TCIA.AXH3-T579, CC BY 4.0",
    "bccd: Shenggan/BCCD_Dataset, MIT",
    "raabin: Raabin-WBC through TXL-PBC, MIT",
)


@dataclass(frozen=True, slots=True)
class CardText:
    """What a model card says beside what the exporter knows by itself.

    sources: of the images, and of what the network began with; each with its licence.
    quantised_from: the SHA-256 of the float network whose eight-bit twin this is.
    """

    title: str
    um_per_px: float
    outputs: tuple[str, ...]
    settings: Mapping[str, float]
    data: Mapping[str, int]
    training: Mapping[str, int | float]
    command: str
    split: str
    limits: tuple[str, ...]
    sources: tuple[str, ...] = SOURCES
    quantised_from: str | None = None


def export(network: torch.nn.Module, example: tuple[int, int], path: Path, *, any_size: bool) -> float:
    """Write a network as ONNX with a dynamic batch; return its largest deviation from PyTorch.

    example: height and width of the input.  any_size: whether those may change too.
    Raises ValueError, and writes nothing, where the deviation is over 1e-4 relative to the output's size.
    """
    network = network.eval()
    height, width = example
    path.parent.mkdir(parents=True, exist_ok=True)
    unchecked = path.with_suffix(".part.onnx")
    batch = torch.export.Dim("batch", min=1, max=4096)
    dynamic: dict[int, Any] = {0: batch}
    if any_size:
        dynamic |= {
            1: 16 * torch.export.Dim("rows", min=2, max=512),
            2: 16 * torch.export.Dim("columns", min=2, max=512),
        }
    with _only_errors():
        torch.onnx.export(
            network,
            (_picture(2, height, width),),
            str(unchecked),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output"],
            dynamic_shapes=(dynamic,),
            external_data=False,
            verbose=False,
        )
    forget_where_it_was_made(unchecked)
    deviation = max(_deviation(network, unchecked, n, height, width) for n in BATCHES)
    if deviation > TOLERANCE:
        unchecked.unlink()
        raise ValueError(
            f"The exported network differs from PyTorch by {deviation:.2g}, more than {TOLERANCE:g}."
        )
    unchecked.replace(path)
    return deviation


@contextmanager
def _only_errors() -> Iterator[None]:
    """Keep to itself what the exporter says of torchvision, which no network here uses, and of its own future."""
    said = logging.getLogger("torch.onnx")
    before = said.level
    said.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        said.setLevel(before)


def forget_where_it_was_made(path: Path) -> None:
    """Drop the exporter's traces of the source code: they name this machine's folders and change the digest."""
    model = onnx.load(path)
    model.ClearField("metadata_props")
    parts = [model.graph, *model.graph.node, *model.graph.input, *model.graph.output]
    parts += [*model.graph.value_info, *model.graph.initializer]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def write_card(path: Path, text: CardText, metrics: Mapping[str, Any]) -> None:
    """Write ``NAME.json`` (for machines) and ``NAME.md`` (for people) beside ``NAME.onnx``."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = {
        "name": path.stem,
        "title": text.title,
        "sha256": digest,
        "um_per_px": text.um_per_px,
        "outputs": list(text.outputs),
        "settings": dict(text.settings),
        "training": dict(text.training),
        "command": text.command,
        "split": text.split,
        "images": dict(text.data),
        "sources": list(text.sources),
        "metrics": without_nan(dict(metrics)),
        "limits": list(text.limits),
        "opset": OPSET,
        "bytes": path.stat().st_size,
    }
    if text.quantised_from is not None:
        card["quantised_from"] = text.quantised_from
    path.with_suffix(".json").write_text(
        json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    path.with_suffix(".md").write_text(_markdown(card), encoding="utf-8")


def _picture(count: int, height: int, width: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, height, width, 3), generator=random, dtype=torch.uint8)


def _deviation(network: torch.nn.Module, path: Path, count: int, height: int, width: int) -> float:
    images = _picture(count, height, width)
    with torch.no_grad():
        expected = network(images).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {"images": images.numpy()})[0]
    return float(np.max(np.abs(got - expected) / np.maximum(1, np.abs(expected))))


def _markdown(card: Mapping[str, Any]) -> str:
    lines = [f"# {card['title']}", "", "Research use only.", ""]
    lines += [f"- File: `{card['name']}.onnx`, {card['bytes'] / 1e6:.1f} MB, ONNX opset {card['opset']}"]
    lines += [f"- SHA-256: `{card['sha256']}`", f"- Canonical scale: {card['um_per_px']:.2f} µm/px"]
    lines += [f"- Outputs: {', '.join(card['outputs'])}"]
    lines += [f"- Settings: {_listed(card['settings'])}", f"- Training: {_listed(card['training'])}"]
    lines += [f"- Command: `{card['command']}`", f"- Split: {card['split']}"]
    lines += [f"- Quantised from: SHA-256 `{card['quantised_from']}`"] if "quantised_from" in card else []
    lines += [f"- Images: {_listed(card['images'])}", "", "## Data and licences", ""]
    lines += [f"- {source}" for source in card["sources"]]
    lines += ["", "## Metrics", ""]
    metrics = card["metrics"].items()
    lines += [f"- {name}: {'not measured' if value is None else value}" for name, value in metrics]
    lines += ["", "## Limits", ""] + [f"- {limit}" for limit in card["limits"]]
    return "\n".join(lines) + "\n"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
