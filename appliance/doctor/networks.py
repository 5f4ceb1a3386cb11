"""What is looked at of the networks: weights against their cards, and the engine that runs them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.doctor.finding import AGAIN, Finding, failed, passed
from appliance.wording import number_of
from models import AnalysisError, ModelRefused
from models.card import BUNDLED, read_card
from models.errors import EngineRefused

if TYPE_CHECKING:
    from appliance.config import Config


def weights(config: Config, folder: Path = BUNDLED) -> Finding:
    """Whether every network is the file that its card describes."""
    wrong, right = [], []
    for name in sorted(path.stem for path in folder.glob("*.onnx")):
        try:
            right.append(f"{name} {read_card(name, folder).sha256[:12]}")
        except ModelRefused as refused:
            wrong.append(str(refused))
    if wrong or not right:
        said = " ".join(wrong) or f"There are no networks in {folder}."
        return failed("weights", said, "Counts made since the last pass are in doubt.")
    return passed("weights", f"{number_of(len(right), 'network')} as their cards say: {', '.join(right)}.")


def engine(config: Config) -> Finding:
    """Whether the networks of the settings run here, on what, and why on that."""
    try:
        from appliance.engines import choose_engine
        from appliance.expected_frames import expected_frames
        from appliance.network_analyser import load_analyser

        count, settings = config.count, config.engine_settings
        why = choose_engine(settings, count.panel).why
        frames = partial(expected_frames, config)
        analyser = load_analyser(count.detector, count.panel, count.specimen, settings, frames)
    except EngineRefused as refused:
        return failed("engine", str(refused), "hemadiff engines list says what each engine lacks.")
    except (ModelRefused, AnalysisError) as refused:
        return failed("engine", str(refused), AGAIN)
    except ImportError as error:
        return failed(
            "engine",
            f"The runtime of the networks is missing: {error}.",
            "Install hemadiff[cpu] or hemadiff[gpu].",
        )
    return passed("engine", f"{analyser.engine} runs {analyser.weights}. {why}")
