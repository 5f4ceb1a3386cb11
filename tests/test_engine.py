"""Networks are loaded whole or refused; a result that is no number is an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders_networks import brightness_network, picture

from models.card import BUNDLED, read_card
from models.engine import Engine
from models.errors import AnalysisError, ModelRefused


def copied(folder: Path) -> Path:
    for suffix in ("onnx", "json"):
        shutil.copy(BUNDLED / f"cells.{suffix}", folder)
    return folder / "cells.onnx"


def test_the_engine_names_the_provider_that_runs() -> None:
    assert Engine(BUNDLED / "cells.onnx").name.endswith("CPUExecutionProvider")


def test_more_than_a_batch_is_the_same_as_its_parts(tmp_path: Path) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (1, 0), "basophil": (2, 1)})
    engine = Engine(tmp_path / "cells.onnx")
    images = np.stack([picture(i, side=96) for i in range(150)])
    parts = np.concatenate([engine.run(images[i : i + 1]) for i in range(150)])
    np.testing.assert_allclose(engine.run(images), parts, atol=1e-6)


def test_a_result_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (float("nan"), 0), "basophil": (0, 0)})
    with pytest.raises(AnalysisError, match="no number"):
        Engine(tmp_path / "cells.onnx").run(picture(9, side=96)[None])


def test_a_batch_that_the_network_cannot_take_is_an_error() -> None:
    with pytest.raises(AnalysisError, match="failed"):
        Engine(BUNDLED / "cells.onnx").run(np.zeros((1, 96, 96), np.uint8))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        Engine(tmp_path / "x.onnx")


def test_weights_that_changed_since_their_card_was_written_are_refused(tmp_path: Path) -> None:
    path = copied(tmp_path)
    assert read_card("cells", tmp_path).um_per_px == 0.2
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelRefused, match="not the file that its card describes"):
        read_card("cells", tmp_path)


def test_weights_without_a_card_are_refused(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").unlink()
    with pytest.raises(ModelRefused, match="incomplete"):
        read_card("cells", tmp_path)


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").write_text('{"sha256": 1}')
    with pytest.raises(ModelRefused, match="damaged"):
        read_card("cells", tmp_path)
