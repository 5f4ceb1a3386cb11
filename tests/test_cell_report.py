"""The report of the cell evaluation, as who opens it finds it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from builders_report import BLUE, GREEN, OUTPUTS, RED, colour_network, evaluated, judged, spot

from models.attention import FeatureNetwork
from models.card import read_card
from models.cell_report import WORST, write_cell_report
from models.evaluated import Evaluated
from models.panel import UNIDENTIFIED
from models.report_page import draw_both

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'hemadiff[report]'")

CHARTS = (
    "cells-confusion",
    "cells-confusion-pbc",
    "cells-confusion-mll",
    "cells-precision-recall",
    "cells-reliability",
    "cells-map-labels",
    "cells-map-sources",
)


class Page(HTMLParser):
    """What a page refers to, and what it says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.addresses: list[str] = []
        self.places: list[str] = []
        self.tags: list[str] = []
        self.without_alternative = 0
        self.text = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.addresses += [value for key in ("href", "src") if (value := known.get(key))]
        self.places += [value for key in ("id",) if (value := known.get(key))]
        self.without_alternative += tag == "img" and not known.get("alt")

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> FeatureNetwork:
    folder = tmp_path_factory.mktemp("network")
    colour_network(folder, "cells", {name: (1.0, i / 20, -i / 20) for i, name in enumerate(OUTPUTS)})
    return FeatureNetwork(read_card("cells", folder))


def varied() -> Evaluated:
    """Two sources, right and wrong answers, a cell left unidentified, an artefact taken for a cell."""
    random = np.random.default_rng(2)
    colours = {"blast": RED, "monocyte": GREEN, "basophil": BLUE}
    cells = [
        judged(
            label, label, 0.6 + 0.01 * k, source, spot(colours[label], *random.integers(30, 60, 2).tolist())
        )
        for source, labels in (("pbc", ("monocyte", "basophil")), ("mll", ("monocyte", "blast")))
        for label in labels
        for k in range(3)
    ]
    cells += [
        judged("monocyte", "blast", 0.71, "mll"),
        judged("blast", "monocyte", 0.97, "mll"),
        judged("blast", UNIDENTIFIED, 0.4, "mll"),
    ]
    return evaluated(cells, [judged("artefact", "artefact"), judged("artefact", "platelet", 0.83)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, network: FeatureNetwork) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "report"
    assert write_cell_report(folder, varied(), network, network) == folder / "cells.html"
    return folder


def test_the_head_says_what_was_judged_and_that_it_is_for_research_only(folder: Path) -> None:
    text = Page(folder / "cells.html").text
    for said in ("Research use only", "smear-13 0123456789ab", "an engine", "val", "15 of pbc, mll"):
        assert said in text
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", text)


def test_the_page_needs_nothing_but_its_own_folder(folder: Path) -> None:
    page = Page(folder / "cells.html")
    for address in page.addresses:
        if address.startswith("#"):
            assert address[1:] in page.places
        elif not address.startswith("data:image/png;base64,"):
            assert (folder / address).is_file()
    assert "script" not in page.tags
    assert "http" not in page.source
    assert page.without_alternative == 0


def test_the_charts_have_stable_names_and_a_picture_for_screen_and_document(folder: Path) -> None:
    assert {path.name for path in (folder / "charts").iterdir()} == {
        f"{name}.{ending}" for name in CHARTS for ending in ("svg", "png")
    }


def test_the_most_confident_mistake_comes_first_and_no_right_answer_is_among_them(folder: Path) -> None:
    section = Page(folder / "cells.html").source.split('id="mistakes"')[1].split("</section>")[0]
    assert re.findall(r"([\d.]+) %</dd>", section) == ["97.0", "83.0", "71.0"]
    assert "3 of 17 cells and artefacts got a wrong name; another 1 are left unidentified" in " ".join(
        section.split()
    )


def test_a_mistake_is_lit_for_the_answer_and_for_what_experts_say(folder: Path) -> None:
    section = Page(folder / "cells.html").source.split('id="attention"')[1].split("</section>")[0]
    blasts = section.split("<h3>blast</h3>")[1].split("<h3>")[0]
    assert blasts.count('<div class="look">') == 1
    assert blasts.count('<div class="look wrong">') == 1
    assert re.findall(r"<figcaption>(.*?)</figcaption>", blasts) == [
        *("cell", "for blast"),
        *("cell", "for monocyte", "for blast"),
    ]


def test_a_label_without_cells_is_in_the_tables_and_nowhere_lit(folder: Path) -> None:
    source = Page(folder / "cells.html").source
    row = source.split('<th scope="row">eosinophil</th>')[1].split("</tr>")[0]
    assert re.findall(r"<td[^>]*>\s*([^<\s]+)", row) == ["0", "–", "–", "–", "–", "–", "–"]
    assert "<h3>eosinophil</h3>" not in source


@pytest.fixture
def charts_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have tests of their own, and take the longest."""
    monkeypatch.setattr("models.cell_charts.draw_both", lambda folder, name, draw: name)


@pytest.mark.usefixtures("charts_left_out")
def test_what_comes_from_a_file_is_written_as_text(tmp_path: Path, network: FeatureNetwork) -> None:
    cells = [judged("blast", "monocyte", 0.9, "<script>alert(1)</script>")] * 9
    page = Page(write_cell_report(tmp_path, evaluated(cells), network, network))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.usefixtures("charts_left_out")
def test_without_a_cell_the_report_says_that_there_is_none(tmp_path: Path, network: FeatureNetwork) -> None:
    text = Page(write_cell_report(tmp_path, evaluated([]), network, network)).text
    assert "too few cells for a map" in text
    assert "There are no cells of counted labels" in text
    assert "nan" not in text


@pytest.mark.usefixtures("charts_left_out")
def test_no_more_mistakes_are_shown_than_anyone_looks_at(tmp_path: Path, network: FeatureNetwork) -> None:
    found = evaluated([judged("blast", "monocyte")] * (WORST + 5))
    source = write_cell_report(tmp_path, found, network, network).read_text(encoding="utf-8")
    assert source.count('<li class="cell">') == WORST


def test_a_chart_lies_in_its_folder_whatever_it_is_named_after(tmp_path: Path) -> None:
    name = draw_both(tmp_path, "cells-confusion-../<b>", lambda path: path.touch())
    assert sorted(tmp_path.rglob("*.*")) == [
        tmp_path / "charts" / f"{name}.{ending}" for ending in ("png", "svg")
    ]
