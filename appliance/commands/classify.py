"""`hemadiff classify`: images of one centred cell each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import FAILED, Session, pass_session
from appliance.output_file import refuse_unwritable, write_json

if TYPE_CHECKING:
    from appliance.frame import Frame
    from calibration import Scale


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--um-per-px", type=float, metavar="F", help="Micrometres per pixel of the images.")
@click.option("--panel", metavar="PANEL", help="The cell types. Default: smear-13.")
@click.option(
    "--specimen",
    type=click.Choice(["marrow", "blood"]),
    help="What the smear is of: probabilities are calibrated for each. Default: blood.",
)
@click.option(
    "--json", "out", metavar="OUT", help="Write the answers as JSON to a file; - is standard output."
)
@click.pass_context
@pass_session
def classify(
    session: Session,
    ctx: click.Context,
    paths: tuple[Path, ...],
    um_per_px: float | None,
    panel: str | None,
    specimen: str | None,
    out: str | None,
) -> None:
    """Name the cell in images of one centred cell each. Research use only.

    PATH is an image or a folder of them (read recursively). A cell that no probability decides is `unidentified`.
    Under a measured calibration ([camera] calibration), which is for images of its own camera, they are evened by its
    flat field first.

    \b
    Examples:
      hemadiff classify cell.png --um-per-px 0.10
      hemadiff classify cells/ --um-per-px 0.10 --specimen marrow --json labels.json

    \b
    Exit status: 0 done (skipped images are named), 1 the analysis of an image failed, 2 nothing could be used.
    """
    refuse_unwritable(out)
    from appliance.engines import choose_engine, opening
    from appliance.image_command import NotUsable, of_image, specimen_said, work_through
    from appliance.image_input import stated_setup
    from appliance.marks import marks_of_expiry
    from models.card import BUNDLED
    from models.cascade import load_cascade

    setup = stated_setup(um_per_px, session.config)
    for mark in () if setup is None else marks_of_expiry(session.config, setup.scale):
        click.echo(f"Mark: {mark}", err=True)
    seen_as = specimen or session.config.count.specimen
    panel = panel or session.config.count.panel
    engine = session.config.engine_settings
    chosen = choose_engine(engine, panel)
    on = opening(chosen.name, engine, chosen.box)
    cascade = load_cascade(panel, seen_as, BUNDLED, on.precision, on.open_engine)
    if setup is not None:
        cascade.refuse_too_coarse(setup.scale.um_per_px)

    def work(path: Path, frame: Frame, its: Scale) -> dict[str, Any]:
        height, width = frame.pixels.shape[:2]
        (answer,) = cascade.examine(frame.pixels, its.um_per_px, [(width / 2, height / 2)])
        if answer is None:
            raise NotUsable(
                f"{frame.name}: {width} × {height} px at {its.um_per_px:g} µm/px are too small for the window "
                "around a cell. Give a larger image."
            )
        _, opinion = answer
        return {
            **of_image(frame, its, cascade.engine, cascade.name, seen_as),
            "label": opinion.label,
            "probability": round(float(opinion.probability), 5),
            "probabilities": {
                label: round(float(p), 5)
                for label, p in zip(cascade.outputs, opinion.probabilities, strict=True)
            },
            "views": opinion.views,
        }

    results, failed = work_through(paths, setup, work)
    if out is not None:
        write_json(results, out)
    if out != "-":
        _show(results, cascade.guidance.identified_from, specimen_said(seen_as, assumed=specimen is None))
    ctx.exit(FAILED if failed else 0)


def _show(results: list[dict[str, Any]], identified_from: float, specimen: str) -> None:
    from appliance.view import RESEARCH_USE_ONLY
    from appliance.wording import number_of

    for result in results:
        click.echo(f"{result['image']}: {answer_said(result, identified_from)}")
    click.echo(f"{number_of(len(results), 'image')}. {specimen} {RESEARCH_USE_ONLY}")


def answer_said(result: dict[str, Any], identified_from: float) -> str:
    """Return the label; of an unidentified cell also whether the network calls it so or cannot decide between names."""
    best = max(result["probabilities"], key=result["probabilities"].__getitem__)
    label, share = result["label"], 100 * result["probability"]
    if result["probability"] < identified_from:
        return f"{label}: no name reaches {100 * identified_from:.0f} % (best guess {best}, {int(share)} %)"
    return f"{label} ({'' if best == label else best + ', '}{share:.0f} %)"
