"""The engines of this box verified under the settings in force: with their camera's frames, panel and specimen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from appliance.engines import Opening, subject_of
from appliance.expected_frames import expected_frames
from appliance.network_analyser import analyser_by, analyser_on
from appliance.reference_pictures import DRAWN_SIZE, reference_pictures, signed_cells
from appliance.verifying import Told, answers, verify, work
from models.cascade_file import Precision
from models.engines.box import Box
from models.engines.names import EngineName
from models.engines.onnx_engine import open_on_cpu
from models.engines.verified import Verification, keep
from models.errors import EngineRefused
from models.weights_digest import weights_digest

if TYPE_CHECKING:
    from appliance.config import Config

DETECTOR = "network"
Begin = Callable[[str, int], Told]
"""Is told what begins now and how many cells and fields it has; returns what is told of each."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """An engine that could not be opened, and why: nothing is on record of it."""

    engine: EngineName
    why: str


def verify_engines(
    config: Config, names: Sequence[EngineName], box: Box, begin: Begin
) -> Iterator[Verification | Unopened]:
    """Verify engines one after the other, put each verdict on record, and yield it.

    Raises EngineRefused where the only one cannot be opened; ModelRefused for damaged weights or a folder that cannot
    be written; AnalysisError where the processor fails.
    """
    settings, count = config.engine_settings, config.count
    of = (DETECTOR, count.panel, count.specimen)
    frames = expected_frames(config) or DRAWN_SIZE
    weights = weights_digest(count.panel)
    begin("Drawing the reference set", 1)
    reference = reference_pictures(count.panel, frames, signed_cells(config.store.path, count.panel))
    # The float networks, as every other engine runs them or was made from them.
    processor = analyser_on(Opening(open_on_cpu, Precision.FLOAT), *of)
    expected = answers(processor, reference, begin("The processor", work(reference)))
    for name in names:
        told = begin(str(name), work(reference))
        try:
            verification = verify(
                subject_of(name, settings, weights, box),
                reference,
                expected,
                partial(analyser_by, name, settings, box, of, lambda: frames),
                datetime.now(UTC),
                told,
            )
        except EngineRefused as refusal:
            if len(names) == 1:
                raise
            yield Unopened(name, str(refusal))
        else:
            keep(verification, settings.cache)
            yield verification
