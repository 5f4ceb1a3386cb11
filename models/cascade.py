"""A cascade: a global network over a whole panel, then specialists, then a second look at doubtful cells.

Sources: dual-stage network, Choi 2017; probability guidance, Choi's thesis (4.3.3); temperature scaling,
Guo et al. 2017.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card import BUNDLED, Card, read_card
from models.cascade_file import (
    COARSEST,
    Precision,
    Recipe,
    Specialist,
    Task,
    bundled_recipe,
    read_cascade,
    twin,
)
from models.cells import Opinion, Patch, Probabilities
from models.engines.engine import Batch, OpenEngine
from models.engines.onnx_engine import open_on_cpu
from models.errors import ModelRefused
from models.panel import UNIDENTIFIED, Specimen, load_panel
from models.resample import to_scale
from models.temperatures import Temperatures
from models.views import HostPicture, Picture, View, centred

ALWAYS = 2.0  # no probability reaches it


class Cascade:
    """The networks of a panel, ready to examine cells.

    name: panel, ``int8`` where the quantised network runs, and digest of everything that decides.
    engine: the global network's, and its precision.  outputs: the global network's, in order.
    """

    def __init__(
        self,
        recipe: Recipe,
        specimen: str,
        folder: Path = BUNDLED,
        specialists_in: Path | None = None,
        open_engine: OpenEngine = open_on_cpu,
    ) -> None:
        """Load the networks of a recipe. Raises ModelRefused, also where the weights do not fit the panel.

        specimen: ``blood`` or ``marrow``; how much a probability is trusted differs between them.
        folder: where the global network is, and the specialists too unless they are said to be elsewhere.
        open_engine: opens each network where it is to run.
        """
        self.panel = load_panel(recipe.panel)
        self.guidance = recipe.guidance
        named_in = f"{recipe.name}.toml"
        self._global = Classifier(_card(recipe, folder, named_in), specimen, open_engine)
        elsewhere = specialists_in or folder
        self._specialists = [
            (item, Classifier(_card(item, elsewhere, named_in), specimen, open_engine))
            for item in recipe.specialists
        ]
        self.outputs = self._global.outputs
        for output in self.outputs:
            self.panel.final(output)
        for specialist, network in self._specialists:
            _refuse_unless_fitting(specialist, network, self._global)
        digest = hashlib.sha256(recipe.text.encode())
        for network in (self._global, *(network for _, network in self._specialists)):
            digest.update(network.sha256.encode())
        quantised = f" {Precision.INT8}" if self._global.precision is Precision.INT8 else ""
        self.name = f"{recipe.name}{quantised} {digest.hexdigest()[:12]}"
        self.engine = f"{self._global.engine}, {self._global.computed_in}"

    @property
    def um_per_px(self) -> float:
        """The canonical scale."""
        return self._global.um_per_px

    @property
    def patch_px(self) -> int:
        """How many pixels a view has to a side."""
        return self._global.patch_px

    def examine(
        self, pixels: NDArray[np.uint8], um_per_px: float, centres: Sequence[tuple[float, float]]
    ) -> list[tuple[Patch, Opinion] | None]:
        """Crop and name the cells at `centres` (x, y in px of `pixels`, H×W×3 RGB).

        One entry a centre: its patch (96×96, canonical scale) and opinion, or None where its window leaves
        the picture. Raises ModelRefused for a scale too coarse to see by, AnalysisError where a network fails.
        """
        self.refuse_too_coarse(um_per_px)
        canonical = to_scale(pixels, um_per_px, self.um_per_px)
        across, down = canonical.shape[1] / pixels.shape[1], canonical.shape[0] / pixels.shape[0]
        places = [(x * across, y * down) for x, y in centres]
        return self.examine_in(HostPicture(canonical, self.patch_px), places)

    def examine_in(
        self, picture: Picture, places: Sequence[tuple[float, float]]
    ) -> list[tuple[Patch, Opinion] | None]:
        """Name the cells at `places` (x, y in px) of a picture at the canonical scale; see `examine`.

        Raises AnalysisError where a network fails.
        """
        found = [centred(x, y, picture.side, picture.width, picture.height) for x, y in places]
        views = {i: view for i, view in enumerate(found) if view is not None}
        if not views:
            return [None] * len(places)
        looked_at = list(views.values())
        single = dict(zip(views, self._named_by(picture, looked_at), strict=True))
        doubtful = {i: places[i] for i, p in single.items() if self.guidance.doubtful(p)}
        guided, counts = self._look_again(picture, doubtful, views, single)
        findings = self._findings(picture, views, guided)
        patches = dict(zip(views, picture.patches(looked_at), strict=True))
        return [
            (patches[i], self._opinion(single[i], guided[i], counts.get(i, 1), findings.get(i, ())))
            if i in views
            else None
            for i in range(len(places))
        ]

    def refuse_too_coarse(self, um_per_px: float) -> None:
        """Raise ModelRefused where a camera is too coarse for the canonical scale."""
        if um_per_px > self.um_per_px * COARSEST + 1e-9:
            raise ModelRefused(
                f"Weights {self.name} were trained at {self.um_per_px:.2f} µm/px; this image gives {um_per_px:.3g}, "
                f"and {self.um_per_px * COARSEST:.2f} is the most they can use. Use a higher magnification."
            )

    def probabilities(self, patches: NDArray[np.uint8]) -> Probabilities:
        """Return calibrated probabilities, N×outputs, of N×96×96×3 patches after the deciding specialists."""
        return self._decided(self._global.probabilities(patches), lambda rows: patches[rows])

    def looking_always(self) -> Cascade:
        """Return the same cascade, but one that looks again at every cell."""
        other = copy(self)
        other.guidance = replace(self.guidance, below=ALWAYS)
        return other

    def without_deciders(self) -> Cascade:
        """Return the same cascade, but one in which no specialist decides between labels."""
        other = copy(self)
        other._specialists = [each for each in self._specialists if each[0].task is not Task.DECIDE]
        return other

    @property
    def decides_again(self) -> bool:
        """Whether a specialist decides between some labels."""
        return any(specialist.task is Task.DECIDE for specialist, _ in self._specialists)

    def warm(self) -> None:
        """Run every network once, so that the first field takes no longer than the others."""
        blank = np.full((1, self._global.patch_px, self._global.patch_px, 3), 200, np.uint8)
        for network in (self._global, *(network for _, network in self._specialists)):
            network.probabilities(blank)

    def _named_by(self, picture: Picture, views: Sequence[View], *, second: bool = False) -> Probabilities:
        """Return calibrated probabilities, N×outputs, of views; second: the mean with every second opinion."""
        batch = picture.cut(views)
        first = self._global.probabilities(batch)
        # Before the deciders: they are shown views of their own, and then this batch holds no longer.
        others = [other.probabilities(batch) for other in self._second_opinions] if second else []
        decided = self._decided(first, lambda rows: picture.cut([views[row] for row in rows]))
        return np.asarray(np.mean([decided, *others], axis=0)) if others else decided

    def _decided(self, result: Probabilities, cut: Callable[[list[int]], Batch]) -> Probabilities:
        """Let the deciding specialists share out what the global network said. cut: gives rows of the same batch."""
        for specialist, network in self._specialists:
            if specialist.task is Task.DECIDE:
                columns = [self.outputs.index(label) for label in network.outputs]
                rows = np.flatnonzero(np.isin(result.argmax(axis=1), columns))
                if rows.size:
                    shares = network.probabilities(cut(rows.tolist()))
                    together = result[rows][:, columns].sum(axis=1, keepdims=True)
                    result[rows[:, None], columns] = together * shares
        return result

    def _look_again(
        self,
        picture: Picture,
        doubtful: dict[int, tuple[float, float]],
        views: dict[int, View],
        single: dict[int, Probabilities],
    ) -> tuple[dict[int, Probabilities], dict[int, int]]:
        """Probabilities after guidance for every cell, and the number of views of those looked at again.

        All views of all doubtful cells are classified in one batch by each network that has a say in them.
        """
        owners: list[int] = []
        looks: list[View] = []
        for i, (x, y) in doubtful.items():
            others = self.guidance.looks(x, y, picture.side, picture.width, picture.height)
            mine = [views[i], *others] if others or self._second_opinions else []
            owners += [i] * len(mine)
            looks += mine
        if not looks:
            return single, {}
        each = self._named_by(picture, looks, second=True)
        guided, counts = dict(single), {}
        for i in dict.fromkeys(owners):
            seen = [p for owner, p in zip(owners, each, strict=True) if owner == i]
            guided[i] = self._global.temperatures.of_mean(np.asarray(np.mean(seen, axis=0), np.float32))
            counts[i] = len(seen)
        return guided, counts

    @property
    def _second_opinions(self) -> list[Classifier]:
        return [network for item, network in self._specialists if item.task is Task.SECOND_OPINION]

    def _opinion(
        self, single: Probabilities, guided: Probabilities, views: int, findings: tuple[str, ...]
    ) -> Opinion:
        label, probability = self._named(guided)
        label_single, probability_single = self._named(single)
        return Opinion(label, probability, guided, label_single, probability_single, single, views, findings)

    def _named(self, probabilities: Probabilities) -> tuple[str, float]:
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        if probability < self.guidance.identified_from:
            return UNIDENTIFIED, probability
        return self.panel.final(self.outputs[best]), probability

    def _findings(
        self, picture: Picture, views: dict[int, View], guided: dict[int, Probabilities]
    ) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for specialist, network in self._specialists:
            asked = [i for i, p in guided.items() if self.outputs[int(p.argmax())] in specialist.labels]
            if specialist.task is not Task.FIND or not asked:
                continue
            column = network.outputs.index(specialist.finding)
            answers = network.probabilities(picture.cut([views[i] for i in asked]))[:, column]
            for i in np.asarray(asked)[answers >= specialist.found_from].tolist():
                found[i] = (*found.get(i, ()), specialist.finding)
        return found


class Classifier:
    """One classifying network: patches in, calibrated probabilities out."""

    def __init__(self, card: Card, specimen: str, open_engine: OpenEngine = open_on_cpu) -> None:
        """Load the network that a card describes, with its temperatures for a specimen. Raises ModelRefused."""
        self._engine = open_engine(card.path)
        self.temperatures = Temperatures(
            card.setting(f"temperature_{specimen}"), card.setting(f"guided_temperature_{specimen}")
        )
        self.patch_px = int(card.setting("patch_px"))
        self.outputs = card.outputs
        self.um_per_px = card.um_per_px
        self.sha256 = card.sha256
        self.precision = Precision.FLOAT if card.quantised_from is None else Precision.INT8
        self.engine = self._engine.name
        self.computed_in = self._engine.precision or str(self.precision)

    def probabilities(self, patches: Batch) -> Probabilities:
        """Return the probabilities of one view each, N×outputs float32. Raises AnalysisError."""
        return self.temperatures.of_view(self._engine.run(patches))


def load_cascade(
    name: str,
    specimen: str,
    folder: Path = BUNDLED,
    precision: Precision | None = None,
    open_engine: OpenEngine = open_on_cpu,
) -> Cascade:
    """Return the bundled cascade for a panel and a specimen. Raises ModelRefused where there are no weights for it.

    precision: of its global network; None for the one that counts on a processor, eight-bit where the cascade has such
    a network. open_engine: opens each network where it is to run.
    """
    return Cascade(bundled_recipe(name, folder).at(precision), specimen, folder, open_engine=open_engine)


def load_cascades(
    name: str,
    folder: Path = BUNDLED,
    precision: Precision | None = None,
    open_engine: OpenEngine = open_on_cpu,
) -> dict[str, Cascade]:
    """Return the bundled cascade for a panel, for every specimen; see `load_cascade`. Raises ModelRefused."""
    return {specimen: load_cascade(name, specimen, folder, precision, open_engine) for specimen in Specimen}


def on_trial(
    name: str, network: str, folder: Path, precision: Precision = Precision.FLOAT
) -> dict[str, Cascade]:
    """Return a panel's bundled cascade, for every specimen, around a network of another folder, to judge that network.

    The cascade's own specialists have their say where the network has the bundled one's name; any other stands alone.
    precision: int8 for its eight-bit twin, with the specialists as they count. Raises ModelRefused.
    """
    recipe = read_cascade(name, BUNDLED)
    specialists = recipe.specialists if network == recipe.network else ()
    chosen = replace(recipe, network=network, quantised=twin(network), specialists=specialists).at(precision)
    return {specimen: Cascade(chosen, specimen, folder, specialists_in=BUNDLED) for specimen in Specimen}


def _card(named: Recipe | Specialist, folder: Path, named_in: str) -> Card:
    """Return the card of the network that runs. Refuses a quantised one made from another network."""
    card = read_card(named.network, folder, named_in)
    if named.quantised is None:
        return card
    quantised = read_card(named.quantised, folder, named_in)
    if quantised.quantised_from != card.sha256:
        raise ModelRefused(
            f"The network {quantised.name} was not made from {card.name} as it is now. "
            "Run hemadiff-train quantise again, or install the weights again."
        )
    return quantised


def _refuse_unless_fitting(specialist: Specialist, network: Classifier, whole: Classifier) -> None:
    """Refuse a specialist that would be asked of other labels or given other patches than it was trained for."""
    if (network.patch_px, network.um_per_px) != (whole.patch_px, whole.um_per_px):
        raise ModelRefused(
            f"The specialist {specialist.network} takes patches of {network.patch_px} px "
            f"at {network.um_per_px:g} µm/px; the global network's are {whole.patch_px} px "
            f"at {whole.um_per_px:g}. Train it on the same patches."
        )
    if specialist.task is Task.SECOND_OPINION and network.outputs != whole.outputs:
        raise ModelRefused(
            f"The specialist {specialist.network} gives a second opinion and has other outputs than the global "
            "network. Correct the cascade's file."
        )
    for label in network.outputs if specialist.task is Task.DECIDE else specialist.labels:
        if label not in whole.outputs:
            raise ModelRefused(
                f'The specialist {specialist.network} re-examines "{label}", which the global network never says. '
                "Correct the cascade's file."
            )
    if specialist.task is Task.FIND and specialist.finding not in network.outputs:
        raise ModelRefused(
            f'The specialist {specialist.network} has no output "{specialist.finding}". Correct the cascade\'s file.'
        )
