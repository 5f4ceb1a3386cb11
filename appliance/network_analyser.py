"""The analyser of fields in host memory: a detector finds white cells, a cascade names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from appliance.config_engine import EngineSettings
from appliance.engines import ON_CPU, Opening, choose_engine, opening
from appliance.expected_frames import FrameSize
from appliance.frame import Analyser, Frame
from calibration import Scale
from models import AnalysisError, Cell, Opinion
from models.card import BUNDLED
from models.cascade import Cascade, load_cascade
from models.cells import Detection, Patch, Probabilities
from models.detector import Detector, NetworkDetector
from models.engines.box import Box
from models.engines.engine import OpenEngine
from models.engines.names import EngineName

if TYPE_CHECKING:
    from appliance.gpu_analyser import GpuAnalyser

DARKEST_LIGHT = 60  # of 255: the brightest hundredth of a lit field is brighter than this


class NetworkAnalyser:
    """A detector and a cascade, whole field by whole field."""

    def __init__(self, detector: Detector, cascade: Cascade) -> None:
        """Take both, ready to run."""
        self._detector = detector
        self._cascade = cascade
        self.engine = cascade.engine
        self.weights = f"{cascade.name}, {detector.name}"
        self.outputs = cascade.outputs

    def check(self, scale: Scale) -> None:
        """Raise ModelRefused where frames of this scale are too coarse for the weights."""
        self._cascade.refuse_too_coarse(scale.um_per_px)

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Every white cell of the frame, best first.

        Raises AnalysisError for a dark frame, a frame of another calibration, and where a network fails;
        ModelRefused for a scale too coarse for the weights.
        """
        refuse_another_calibration(frame, scale)
        refuse_dark(frame.name, frame.pixels[::8, ::8])
        self.check(scale)
        found = self._detector.detect(frame.pixels, scale.um_per_px)
        answers = self._cascade.examine(frame.pixels, scale.um_per_px, [(d.x, d.y) for d in found])
        return cells_of(frame, scale, found, answers)

    def probabilities(self, patches: NDArray[np.uint8]) -> Probabilities:
        """Return what the cascade says of single views (see `Cascade.probabilities`)."""
        return self._cascade.probabilities(patches)

    def warm(self) -> None:
        """Run everything once, so that the first field takes no longer than the others."""
        self._detector.detect(np.full((96, 96, 3), 200, np.uint8), 0.4)
        self._cascade.warm()


def load_analyser(
    detector: str,
    panel: str,
    specimen: str,
    engine: EngineSettings = ON_CPU,
    frames: Callable[[], FrameSize | None] = lambda: None,
) -> Analyser:
    """Load and warm the networks of a panel for a specimen. detector: ``network`` or ``saliency``.

    engine: what the settings ask for; by itself the processor's.  frames: says what the run's will be, as far as known.
    Raises ModelRefused where there are no weights for the panel, or they are damaged; EngineRefused where the engine
    asked for is absent or not verified on this box.
    """
    chosen = choose_engine(engine, panel)
    return analyser_by(chosen.name, engine, chosen.box, (detector, panel, specimen), frames)


def analyser_by(
    name: EngineName,
    settings: EngineSettings,
    box: Box | None,
    of: tuple[str, str, str],
    frames: Callable[[], FrameSize | None] = lambda: None,
) -> NetworkAnalyser | GpuAnalyser:
    """Load and warm an analyser on an engine, verified or not. of: detector, panel and specimen.

    Raises ModelRefused; EngineRefused where the engine is absent.
    """
    if box is None or box.pycuda is None:
        return analyser_on(opening(name, settings, box), *of)
    from appliance.gpu_loading import gpu_analyser  # there is PyCUDA

    return gpu_analyser(name, settings, box, of, frames())


def analyser_on(on: Opening, detector: str, panel: str, specimen: str) -> NetworkAnalyser:
    """Load and warm the networks of a panel where they are to run, verified there or not. Raises ModelRefused."""
    cascade = load_cascade(panel, specimen, BUNDLED, on.precision, on.open_engine)
    analyser = NetworkAnalyser(detector_of(detector, on.open_engine), cascade)
    analyser.warm()
    return analyser


def detector_of(kind: str, open_engine: OpenEngine) -> Detector:
    """Load a detector, ``network`` or ``saliency``. open_engine: opens the former where it is to run."""
    if kind == "saliency":
        from models.saliency import SaliencyDetector

        return SaliencyDetector()
    return NetworkDetector(open_engine=open_engine)


def cells_of(
    frame: Frame,
    scale: Scale,
    found: Sequence[Detection],
    answers: Sequence[tuple[Patch, Opinion] | None],
) -> list[Cell]:
    """Return what was found in a frame and what a cascade said of it, with its places on the slide."""
    cells = []
    for detection, answer in zip(found, answers, strict=True):
        patch, opinion = answer or (None, None)
        x_um, y_um = frame.axes.to_stage(detection.x * scale.um_per_px, detection.y * scale.um_per_px)
        place = frame.position.x_um + x_um, frame.position.y_um + y_um
        cells.append(Cell(detection, *place, patch, opinion))
    return cells


def refuse_another_calibration(frame: Frame, scale: Scale) -> None:
    """Raise AnalysisError for a frame that was not taken under this scale."""
    if frame.calibration_id != scale.id:
        raise AnalysisError(
            f'{frame.name} was taken under the calibration "{frame.calibration_id}", the run uses "{scale.id}". '
            "Count it in a run of its own."
        )


def refuse_dark(name: str, sample: NDArray[np.uint8]) -> None:
    """Raise AnalysisError for a dark frame. sample: every 8th pixel of every 8th row."""
    if np.percentile(sample, 99) < DARKEST_LIGHT:
        raise AnalysisError(f"{name} is dark. Check the lamp and the shutter.", reason="dark field")
