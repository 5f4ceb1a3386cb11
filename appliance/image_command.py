"""What `analyse` and `classify` have in common: images in, one result each, the rest said on standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.errors import ApplianceRefused
from appliance.file_name import printable
from appliance.frame import Frame, SkippedField
from appliance.image_file import find_images
from appliance.image_input import read_images
from appliance.wording import number_of
from calibration import Scale
from calibration.file import Calibration
from models import AnalysisError, ModelRefused

if TYPE_CHECKING:
    from rich.progress import Progress

Result = dict[str, Any]
Work = Callable[[Path, Frame, Scale], Result]


class NotUsable(ApplianceRefused):
    """One image that cannot be used for this; the others go on."""


def work_through(paths: Sequence[Path], setup: Calibration | None, work: Work) -> tuple[list[Result], bool]:
    """Return a result per usable image, and whether the analysis of any other failed.

    Images that cannot be used are named on standard error with their reasons. Raises ApplianceRefused where
    none can be used: then there is nothing to report.
    """
    images = find_images(paths)
    results: list[Result] = []
    skipped = failed = 0
    with _progress() as progress:
        task = progress.add_task("Images", total=len(images))
        for path, frame, its_scale in read_images(images, setup):
            try:
                results.append(work(path, _usable(frame), its_scale or _no_scale()))
            except (NotUsable, ModelRefused) as refusal:
                skipped += 1
                progress.console.print(f"Skipped: {refusal}", soft_wrap=True, markup=False, highlight=False)
            except AnalysisError as error:
                failed += 1
                progress.console.print(
                    f"Failed: {printable(path)}: {error}", soft_wrap=True, markup=False, highlight=False
                )
            progress.advance(task)
    if skipped or failed:
        rest = f", {failed} failed" if failed else ""
        click.echo(
            f"{len(results)} of {number_of(len(images), 'image')} done, {skipped} skipped{rest}.", err=True
        )
    if not results and not failed:
        raise ApplianceRefused("None of the images can be used; the reasons are above.")
    return results, failed > 0


def of_image(frame: Frame, scale: Scale, engine: str, weights: str, specimen: str) -> Result:
    """Return what every result begins with: which image, and what it was looked at with."""
    return {
        "image": frame.name,
        "um_per_px": scale.um_per_px,
        "engine": engine,
        "model": weights,
        "specimen": specimen,
    }


def specimen_said(specimen: str, *, assumed: bool) -> str:
    """Return the sentence that says as what the images were looked at. assumed: the command did not say it."""
    return f"Specimen: {specimen}{' (assumed; --specimen says another)' if assumed else ''}."


def _usable(frame: Frame | SkippedField) -> Frame:
    if isinstance(frame, SkippedField):
        raise NotUsable(frame.detail)
    return frame


def _no_scale() -> Scale:
    raise NotUsable("This image has no scale. Give --um-per-px.")


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal, transient=True)
