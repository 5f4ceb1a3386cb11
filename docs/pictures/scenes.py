"""What is in the pictures of pages that stand still: where, who looks, on what screen, and what is touched first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.labelling.sets import LabelSets
from appliance.store import Store
from docs.pictures import acts
from docs.pictures.controls import RUN as CONTROL
from docs.pictures.reading import newest_count

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOUCHSCREEN, DESK, PHONE = (1024, 600), (1280, 800), (390, 844)
COUNTED = 220


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture. name: of its file; place: the page's path; size: of the screen, CSS pixels."""

    name: str
    place: str
    who: str
    size: tuple[int, int] = TOUCHSCREEN
    act: Callable[[Page], None] = acts.nothing
    theme: str = "light"


LIVE: Sequence[str] = (
    "first-start", "sign-in", "home", "start", "running", "running-dim", "phone", "slide",
    "no-smear", "calibrating",
)  # fmt: skip
"""Pictures that `counting` and `others` take, of what moves."""

AFTER: Sequence[Scene] = (
    Scene("review", "/runs/{run}/review", "ana", DESK, acts.gallery),
    Scene("closer", "/runs/{run}/review", "ana", DESK, acts.enlarge),
)
"""As long as cells are unidentified."""

READ: Sequence[Scene] = (
    Scene("agreement", "/runs/{run}/agreement", "ana", DESK),
    Scene("earlier", "/runs/{run}/review", "ana", DESK, acts.earlier_runs),
    Scene("sign", "/runs/{run}/review", "ana", TOUCHSCREEN, acts.sign),
)
"""When every cell has a label."""

SIGNED: Sequence[Scene] = (
    Scene("run", "/runs/{run}", "ana", DESK),
    Scene("runs", "/runs", "ana"),
    Scene("label-sets", "/labelling", "mina"),
    Scene("label-set", "/labelling/{set}", "mina", DESK),
    Scene("label-field", "/labelling/fields/{field}", "mina", TOUCHSCREEN, acts.choose_a_cell),
    Scene("qc", "/qc", "robin"),
    Scene("qc-field", "/qc/{control}", "robin", TOUCHSCREEN, acts.field_of_a_control),
    Scene("service", "/service", "erik", DESK),
    Scene("self-test", "/service/self-test", "erik"),
    Scene("microscope", "/service/microscope", "erik", DESK, acts.take_in_hand),
    Scene("accounts", "/accounts", "kim", DESK),
    Scene("audit", "/audit", "kim", DESK),
)
"""When the run is signed."""

SCENES: Sequence[Scene] = (*AFTER, *READ, *SIGNED)


def places_in(path: Path) -> Mapping[str, str]:
    """Return what stands for the names in braces in a scene's place. path: of the store."""
    with Store.read_only(path) as store:
        sets = LabelSets(store)
        (made,) = sets.all()
        begun = sets.fields(made.id)[1]
        return {
            "run": newest_count(store), "control": CONTROL, "set": made.id, "field": str(begun.id),
        }  # fmt: skip
