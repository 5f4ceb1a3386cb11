"""What panels call their cells, where Babel reads it: a page says ``_(label.title)``, a script ``_(row.title)``.

A panel is data and knows one language; a name that does not stand here is shown as its panel has it.
"""

from __future__ import annotations

from collections.abc import Sequence


def _(name: str) -> str:
    """Mark a name for Babel."""
    return name


CELL_NAMES: Sequence[str] = (
    _("Artefact"),
    _("Band neutrophil"),
    _("Basophil"),
    _("Basophilic erythroblast"),
    _("Basophilic normoblast"),
    _("Blast"),
    _("Eosinophil"),
    _("Erythroblast"),
    _("Giant platelet"),
    _("Immature granulocyte (promyelocyte, myelocyte, metamyelocyte)"),
    _("Lymphocyte"),
    _("Megakaryocyte"),
    _("Metamyelocyte"),
    _("Mitosis"),
    _("Monocyte"),
    _("Myeloblast"),
    _("Myelocyte"),
    _("Neutrophil (band and segmented)"),
    _("Nucleated red cell"),
    _("Orthochromatic erythroblast"),
    _("Orthochromatic normoblast"),
    _("Plasma cell"),
    _("Platelet"),
    _("Polychromatic erythroblast"),
    _("Polychromatic normoblast"),
    _("Proerythroblast"),
    _("Promyelocyte"),
    _("Pronormoblast"),
    _("Reactive lymphocyte"),
    _("Segmented neutrophil"),
    _("Smudge cell"),
)

SHORT_NAMES: Sequence[str] = (
    _("Artefact"),
    _("Band"),
    _("Baso"),
    _("Baso-E"),
    _("Blast"),
    _("Eos"),
    _("Eryth"),
    _("Giant plt"),
    _("Imm gran"),
    _("Lymph"),
    _("Mega"),
    _("Metamyelo"),
    _("Mitosis"),
    _("Mono"),
    _("Myelo"),
    _("Myeloblast"),
    _("NRBC"),
    _("Neut"),
    _("Ortho-E"),
    _("Plasma"),
    _("Plt"),
    _("Poly-E"),
    _("Pro-E"),
    _("Promyelo"),
    _("React"),
    _("Seg"),
    _("Smudge"),
)
"""Where there is little room: under a picture, on a button, in a narrow table."""
