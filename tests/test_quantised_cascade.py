"""A cascade that names an eight-bit network runs it, says so, and runs the float one when asked."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders_data import small_data_set
from builders_networks import GUIDANCE, brightness_network, picture, write_card
from click.testing import CliRunner

from appliance.cli import cli
from models.card import BUNDLED, read_card
from models.cascade import Cascade, load_cascade, load_cascades, on_trial
from models.cascade_file import Precision, read_cascade
from models.cells import Opinion
from models.errors import ModelRefused

HEAD = 'panel = "smear-13"\nnetwork = "cells"\n'
TWIN = 'quantised = "cells-int8"\n'


def weights(folder: Path, head: str = HEAD + TWIN) -> Path:
    """A float network that says monocyte and one, said to be its twin, that says lymphocyte."""
    brightness_network(folder, "cells", {"monocyte": (0.0, 5.0), "lymphocyte": (0.0, 0.0)})
    brightness_network(folder, "cells-int8", {"monocyte": (0.0, 0.0), "lymphocyte": (0.0, 5.0)})
    as_twin(folder)
    (folder / "smear-13.toml").write_text(head + GUIDANCE)
    return folder


def as_twin(folder: Path, **changes: Any) -> None:
    digest = hashlib.sha256((folder / "cells.onnx").read_bytes()).hexdigest()
    write_card(folder, "cells-int8", ("monocyte", "lymphocyte"), quantised_from=digest, **changes)


def opinion(cascade: Cascade) -> Opinion:
    (answer,) = cascade.examine(picture(200), 0.2, [(60.0, 60.0)])
    assert answer is not None
    return answer[1]


def said(cascade: Cascade) -> str:
    return opinion(cascade).label


def sure(cascade: Cascade) -> float:
    return opinion(cascade).probability


def test_the_quantised_network_counts_unless_float_is_asked_for(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    assert said(load_cascade("smear-13", "blood", folder)) == "lymphocyte"
    assert said(load_cascade("smear-13", "blood", folder, Precision.INT8)) == "lymphocyte"
    assert said(load_cascade("smear-13", "blood", folder, Precision.FLOAT)) == "monocyte"


def test_name_and_engine_say_which_one_runs(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    whole, exact = (load_cascade("smear-13", "blood", folder, each) for each in (None, Precision.FLOAT))
    assert whole.name.startswith("smear-13 int8 ")
    assert "int8" not in exact.name
    assert whole.name.split()[-1] != exact.name.split()[-1]
    assert whole.engine.endswith("CPUExecutionProvider, int8")
    assert exact.engine.endswith("CPUExecutionProvider, float")


def test_without_a_quantised_network_float_counts_and_int8_is_refused(tmp_path: Path) -> None:
    folder = weights(tmp_path, HEAD)
    assert load_cascade("smear-13", "blood", folder).engine.endswith(", float")
    with pytest.raises(ModelRefused, match="smear-13 names no quantised network"):
        load_cascades("smear-13", folder, Precision.INT8)


def test_a_quantised_network_of_other_weights_is_refused(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    brightness_network(folder, "cells", {"monocyte": (0.0, 5.1), "lymphocyte": (0.0, 0.0)})
    with pytest.raises(ModelRefused, match="cells-int8 was not made from cells as it is now"):
        load_cascade("smear-13", "blood", folder)
    assert load_cascade("smear-13", "blood", folder, Precision.FLOAT).engine.endswith(", float")


def test_a_quantised_network_that_is_missing_is_refused_and_not_replaced(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    (folder / "cells-int8.onnx").unlink()
    with pytest.raises(ModelRefused, match="cells-int8 is incomplete"):
        load_cascade("smear-13", "blood", folder)


def test_its_own_temperatures_are_used(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    before = sure(load_cascade("smear-13", "blood", folder))
    cooler = {f"{kind}temperature_{s}": 3.0 for kind in ("", "guided_") for s in ("blood", "marrow")}
    as_twin(folder, settings={**cooler, "patch_px": 96})
    assert sure(load_cascade("smear-13", "blood", folder)) < before


def test_a_network_on_trial_is_the_one_that_was_named(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    for end in (".onnx", ".json"):
        (folder / f"cells{end}").rename(folder / f"another{end}")
        (folder / f"cells-int8{end}").rename(folder / f"another-int8{end}")
    exact = on_trial("smear-13", "another", folder)["blood"]
    assert (said(exact), exact.engine.split()[-1]) == ("monocyte", "float")
    whole = on_trial("smear-13", "another", folder, Precision.INT8)["blood"]
    assert (said(whole), whole.engine.split()[-1]) == ("lymphocyte", "int8")


def test_the_bundled_networks_place_is_taken_with_its_specialists(tmp_path: Path) -> None:
    asked = read_card("cells").outputs
    brightness_network(tmp_path, "cells", dict.fromkeys(asked, (0.0, 0.0)))
    whole = on_trial("smear-13", "cells", tmp_path)["blood"]
    brightness_network(tmp_path, "another", dict.fromkeys(asked, (0.0, 0.0)))
    alone = on_trial("smear-13", "another", tmp_path)["blood"]
    bundled = read_cascade("smear-13", BUNDLED)
    assert len(whole._specialists) == len(bundled.specialists)
    assert not alone._specialists


def test_a_quantised_network_without_a_name_is_refused(tmp_path: Path) -> None:
    folder = weights(tmp_path, HEAD + "quantised = true\n")
    with pytest.raises(ModelRefused, match='"quantised" is the name of a network'):
        read_cascade("smear-13", folder)


@pytest.mark.parametrize(
    ("asked", "runs"), [([], "int8"), (["--precision", "int8"], "int8"), (["--precision", "float"], "float")]
)
def test_an_evaluation_judges_what_counts_or_what_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], runs: str
) -> None:
    data = small_data_set(tmp_path / "data", per_label=1)
    mine = partial(load_cascades, folder=weights(tmp_path))
    monkeypatch.setattr("models.cascade.load_cascades", mine)
    written = ["--json", str(tmp_path / "c.json"), "--png", str(tmp_path / "c.png")]
    result = CliRunner().invoke(cli, ["evaluate", "cells", "--data", str(data), *written, *asked])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "c.json").read_text())["engine"].split()[-1] == runs


def test_the_bundled_quantised_network_costs_no_more_than_three_tenths_of_a_point() -> None:
    name = read_cascade("smear-13", BUNDLED).quantised
    if name is None:
        pytest.skip("the bundled cascade names no quantised network")
    card = json.loads((BUNDLED / f"{name}.json").read_text(encoding="utf-8"))
    assert card["metrics"]["test cost_points"] <= 0.3
    assert card["metrics"]["test same_answer_as_float"] >= 0.97
