"""The search for focus as pure logic: it says at which height to look, is told the contrast, and ends.

A coarse sweep over a range, a fine sweep around its peak, and one look at the answer itself. Every sweep climbs:
it begins below its lowest height by the take-up, so that each height is approached from the same side and
with the same gears touching, and the last move before the answer is a climb too. A curve that is no clear
peak is a failure with a reason; the whole search is then done once more over a wider range.

Method: coarse-to-fine with a parabola through the cap, as compared by Osibote et al. 2010, J. Microsc. 240:155;
one-sided approach after Knapper et al. 2022, J. Microsc. 285:29.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum

from appliance.errors import ApplianceRefused
from appliance.safe_height import HeightLimits, SafeHeight
from calibration.focus_curve import CurveFault, Demands, NoPeak, Peak, Sample, find_peak

MOST_SAMPLES = 400
FINE_REACH = 1.25  # coarse steps: the peak lies within one, and both its sides must show


class Purpose(StrEnum):
    """Which part of a search a look belongs to."""

    COARSE = "coarse"
    FINE = "fine"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Search:
    """How far and how finely to look, µm.

    reach_um: below and above the expected height.  take_up_um: how far below a sweep begins, more than the
    backlash of the z axis.  wider: by how much the second try reaches farther.
    fine_reach_um: below and above a predicted height in a refinement.
    reproduced: the share of the peak's contrast that the answer must show again.
    """

    reach_um: float = 16.0
    coarse_step_um: float = 2.0
    fine_step_um: float = 0.5
    fine_reach_um: float = 2.0
    take_up_um: float = 5.0
    wider: float = 2.0
    reproduced: float = 0.85
    demands: Demands = field(default_factory=Demands)

    def __post_init__(self) -> None:
        """Raise ApplianceRefused for steps and ranges that no search can use."""
        lengths = (self.reach_um, self.coarse_step_um, self.fine_step_um, self.fine_reach_um)
        if not all(math.isfinite(length) and length > 0 for length in lengths):
            raise ApplianceRefused(
                "The reaches and steps of a focus search must be positive, in micrometres."
            )
        if not (math.isfinite(self.take_up_um) and self.take_up_um >= 0):
            raise ApplianceRefused("The take-up of a focus search must be 0 or more micrometres.")
        if not (math.isfinite(self.wider) and self.wider > 1):
            raise ApplianceRefused(
                "The second try of a focus search must reach farther: wider must be over 1."
            )
        if 2 * self.fine_step_um > min(self.coarse_step_um, self.fine_reach_um):
            raise ApplianceRefused(
                "The fine step of a focus search must be at most half its coarse step and half its fine reach."
            )
        if 2 * self.coarse_step_um > self.reach_um:
            raise ApplianceRefused("The coarse step of a focus search must be at most half its reach.")
        coarse = 2 * self.reach_um * self.wider / self.coarse_step_um
        fine = 2 * max(FINE_REACH * self.coarse_step_um, self.fine_reach_um) / self.fine_step_um
        if max(coarse, fine) > MOST_SAMPLES:
            raise ApplianceRefused(
                f"A sweep of this focus search would take over {MOST_SAMPLES} pictures. Take wider steps."
            )


@dataclass(frozen=True, slots=True)
class Look:
    """Go to ``via`` first where it is given, then up to ``height``; take a picture, and send its contrast."""

    height: SafeHeight
    via: SafeHeight | None
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Focus:
    """A focus that was found, and seen again at its own height, where the stage now stands.

    contrast: of that last picture.  curve: every sample of the try that succeeded, in the order taken.
    width_um: of the coarse peak at half its rise; None where only a fine sweep was needed or it was wider.
    """

    height: SafeHeight
    contrast: float
    width_um: float | None
    curve: tuple[Sample, ...]
    tries: int

    @property
    def z_um(self) -> float:
        """The height, µm."""
        return self.height.z_um


@dataclass(frozen=True, slots=True)
class FocusFailed:
    """A focus that was not found. Its field is skipped or the run pauses; it is never counted.

    fault: of the last try.  detail: a sentence for a person.  curves: the samples of each try.
    """

    fault: CurveFault
    detail: str
    curves: tuple[tuple[Sample, ...], ...]


Outcome = Focus | FocusFailed
Looks = Generator[Look, float, Outcome]


def search_focus(expected_um: float, limits: HeightLimits, search: Search | None = None) -> Looks:
    """Search focus around an expected height, coarse to fine; once more over a wider range if need be.

    Yields each Look and takes its contrast; returns a Focus or a FocusFailed.
    An expected height outside the limits is searched from the nearest safe one.
    Raises ApplianceRefused where the expected height is not a number.
    """
    search = search or Search()
    if math.isnan(expected_um):
        raise ApplianceRefused("The expected height of focus is not a number.")
    around = limits.nearest(expected_um).z_um
    curves: list[tuple[Sample, ...]] = []
    for reach in (search.reach_um, search.reach_um * search.wider):
        curve: list[Sample] = []
        found = yield from _coarse_to_fine(around, reach, limits, search, curve)
        curves.append(tuple(curve))
        if isinstance(found, _Found):
            return Focus(found.height, found.contrast, found.width_um, curves[-1], len(curves))
        last = found
    return FocusFailed(last.fault, f"Focus was not found in two tries. {last.detail}", tuple(curves))


def refine_focus(predicted_um: float, limits: HeightLimits, search: Search | None = None) -> Looks:
    """Look finely around a predicted height; where no peak lies there, do a whole search around it.

    Yields, returns and raises as `search_focus` does. The tries of the whole search are counted after this one.
    """
    search = search or Search()
    if math.isnan(predicted_um):
        raise ApplianceRefused("The predicted height of focus is not a number.")
    around = limits.nearest(predicted_um).z_um
    curve: list[Sample] = []
    found = yield from _fine(around, search.fine_reach_um, None, limits, search, curve)
    if isinstance(found, _Found):
        return Focus(found.height, found.contrast, None, tuple(curve), 1)
    outcome = yield from search_focus(around, limits, search)
    if isinstance(outcome, Focus):
        return Focus(outcome.height, outcome.contrast, outcome.width_um, outcome.curve, outcome.tries + 1)
    return FocusFailed(outcome.fault, outcome.detail, (tuple(curve), *outcome.curves))


def drive(looks: Looks, contrast_at: Callable[[Look], float]) -> Outcome:
    """Run a search to its end: ``contrast_at`` moves, takes a picture and returns its contrast.

    What it raises ends the search.
    """
    try:
        look = next(looks)
        while True:
            look = looks.send(contrast_at(look))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        looks.close()


@dataclass(frozen=True, slots=True)
class _Found:
    height: SafeHeight
    contrast: float
    width_um: float | None


def _coarse_to_fine(
    around: float, reach: float, limits: HeightLimits, search: Search, curve: list[Sample]
) -> Generator[Look, float, _Found | NoPeak]:
    coarse = yield from _sweep(around, reach, search.coarse_step_um, Purpose.COARSE, limits, search)
    curve += coarse
    peak = find_peak(coarse, search.demands)
    if isinstance(peak, NoPeak):
        return _at_a_limit(peak, coarse, limits, search)
    floor = min(sample.contrast for sample in coarse)
    found = yield from _fine(
        peak.z_um, FINE_REACH * search.coarse_step_um, floor, limits, search, curve, peak.width_um
    )
    return found


def _fine(
    around: float,
    reach: float,
    floor: float | None,
    limits: HeightLimits,
    search: Search,
    curve: list[Sample],
    width_um: float | None = None,
) -> Generator[Look, float, _Found | NoPeak]:
    fine = yield from _sweep(around, reach, search.fine_step_um, Purpose.FINE, limits, search)
    curve += fine
    # A refinement has no far sample: its own sweep need not rise by much, yet must not be empty.
    peak = find_peak(fine, search.demands, floor=0.0 if floor is None else floor)
    if isinstance(peak, NoPeak):
        return _at_a_limit(peak, fine, limits, search)
    return (yield from _confirm(peak, width_um, limits, search, curve))


def _confirm(
    peak: Peak, width_um: float | None, limits: HeightLimits, search: Search, curve: list[Sample]
) -> Generator[Look, float, _Found | NoPeak]:
    """Climb to the answer itself and see it: play in the gears or a lost step shows here."""
    height = limits.nearest(peak.z_um)
    again = yield Look(height, limits.nearest(peak.z_um - search.take_up_um), Purpose.CONFIRM)
    curve.append(Sample(height.z_um, again))
    if math.isfinite(again) and again >= search.reproduced * peak.contrast:
        return _Found(height, again, width_um)
    detail = (
        f"The contrast at {height.z_um:.1f} µm was {again:.3g} when the stage came back to it and "
        f"{peak.contrast:.3g} before. Check the z axis for play, and the slide for drift."
    )
    return NoPeak(CurveFault.NOT_REPRODUCED, detail)


def _sweep(
    around: float, reach: float, step: float, purpose: Purpose, limits: HeightLimits, search: Search
) -> Generator[Look, float, list[Sample]]:
    """Climb through the heights around one, as far as the limits allow with the whole take-up below the first."""
    lowest = limits.lowest_um + search.take_up_um
    steps = int(reach / step + 1e-9)
    heights = [around + k * step for k in range(-steps, steps + 1)]
    samples: list[Sample] = []
    for z_um in heights:
        if not lowest <= z_um <= limits.highest_um:
            continue
        via = None if samples else limits.height(max(z_um - search.take_up_um, limits.lowest_um))
        samples.append(Sample(z_um, (yield Look(limits.height(z_um), via, purpose))))
    return samples


def _at_a_limit(fault: NoPeak, samples: list[Sample], limits: HeightLimits, search: Search) -> NoPeak:
    """Say so where it is a safety limit that ended the sweep on the side of the peak."""
    if fault.fault is not CurveFault.EDGE_OF_RANGE:
        return fault
    rising = samples[-1].contrast > samples[0].contrast
    room = (
        limits.highest_um - samples[-1].z_um
        if rising
        else samples[0].z_um - limits.lowest_um - search.take_up_um
    )
    if room >= search.coarse_step_um:
        return fault
    which = (
        f"highest safe height, {limits.highest_um:g}"
        if rising
        else f"lowest safe height, {limits.lowest_um:g}"
    )
    detail = f"{fault.detail} The {which} µm, ended it. Check how the slide sits."
    return NoPeak(fault.fault, detail)
