"""Every setting is known, checked, and can say where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from appliance.config import Config, load_config, load_config_with_origins
from appliance.config_sources import lines_of
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceRefused
from appliance.plan import Plan

NOTHING: Mapping[str, str] = {}


@pytest.fixture(autouse=True)
def somewhere_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(text: str, env: Mapping[str, str] = NOTHING) -> str:
    """What a person reads who wrote this hemadiff.toml."""
    written(Path("hemadiff.toml"), text)
    with pytest.raises(ApplianceRefused) as caught:
        load_config(env=env)
    return str(caught.value)


def test_every_default(tmp_path: Path) -> None:
    config, origins = load_config_with_origins(env=NOTHING)
    assert (config.count.panel, config.count.specimen) == ("smear-13", "blood")
    assert (config.count.min_cells, config.count.max_cells) == (300, 500)
    assert (config.web.host, config.web.port, config.web.threads) == ("127.0.0.1", 8080, 96)
    assert config.store.path == tmp_path / "home/.local/share/hemadiff/hemadiff.sqlite"
    assert config.socket_path == config.store.path.parent / "instrument.sock"
    assert config.camera.source is None
    assert set(origins.values()) == {"default"}


def test_a_counts_defaults_are_those_of_a_plan() -> None:
    plan = Plan(camera="simulated")
    for name, value in Config().count.model_dump().items():
        assert getattr(plan, name) == value, name


def test_the_data_folder_of_the_user_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert load_config(env=NOTHING).store.path == tmp_path / "data/hemadiff/hemadiff.sqlite"


def test_the_first_file_that_exists_is_the_one_that_holds(tmp_path: Path) -> None:
    home = written(tmp_path / "home/.config/hemadiff/hemadiff.toml", "[web]\nport = 1\n")
    assert load_config(env=NOTHING).web.port == 1
    here = written(tmp_path / "hemadiff.toml", "[web]\nport = 2\n")
    assert load_config(env=NOTHING).web.port == 2
    named = written(tmp_path / "named.toml", "[web]\nport = 3\n")
    assert load_config(env={"HEMADIFF_CONFIG": str(named)}).web.port == 3
    assert load_config(here, env={"HEMADIFF_CONFIG": str(named)}).web.port == 2
    assert load_config(home, env=NOTHING).web.port == 1


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match=r"no settings file .*gone.toml \(--config\)"):
        load_config(tmp_path / "gone.toml", env=NOTHING)
    with pytest.raises(ApplianceRefused, match="HEMADIFF_CONFIG"):
        load_config(env={"HEMADIFF_CONFIG": "gone.toml"})


def test_the_environment_goes_before_the_file_key_by_key() -> None:
    written(Path("hemadiff.toml"), "[count]\nmin_cells = 200\nspecimen = 'marrow'\n")
    config, origins = load_config_with_origins(
        env={"HEMADIFF_COUNT__MIN_CELLS": "400", "HEMADIFF_COUNT__MERGE_BAND_AND_SEGMENTED": "true"}
    )
    assert (config.count.min_cells, config.count.specimen) == (400, "marrow")
    assert config.count.merge_band_and_segmented
    assert origins["count.min_cells"] == "HEMADIFF_COUNT__MIN_CELLS"
    assert origins["count.specimen"] == "hemadiff.toml, line 3"
    assert origins["count.max_cells"] == "default"


def test_a_laboratory_sets_its_own_ranges_limits_and_formula() -> None:
    written(
        Path("hemadiff.toml"),
        """
[laboratory.blood.reference]
lymphocyte = [20, 40]
blast = []

[laboratory.marrow]
me_formula = "promyelocyte + myelocyte : erythroblast"
watched = { blast = [5, 20] }
""",
    )
    env = {
        "HEMADIFF_LABORATORY__MARROW__WATCHED__MONOCYTE": "[10]",
        "HEMADIFF_LABORATORY__BLOOD__WATCHED": '{"blast": [2, 20]}',
    }
    config, origins = load_config_with_origins(env=env)
    assert config.laboratory.blood.reference == {"lymphocyte": (20, 40), "blast": ()}
    assert config.laboratory.marrow.me_formula == "promyelocyte + myelocyte : erythroblast"
    assert config.laboratory.marrow.watched == {"blast": (5, 20), "monocyte": (10,)}
    assert config.laboratory.blood.watched == {"blast": (2, 20)}
    assert origins["laboratory.blood.reference.lymphocyte"] == "hemadiff.toml, line 3"
    assert origins["laboratory.marrow.watched.blast"] == "hemadiff.toml, line 8"
    assert origins["laboratory.blood.watched.blast"] == "HEMADIFF_LABORATORY__BLOOD__WATCHED"


def test_paths_in_a_file_belong_to_its_folder_and_a_tilde_is_home(tmp_path: Path) -> None:
    file = written(
        tmp_path / "lab/hemadiff.toml",
        '[store]\npath = "counts.sqlite"\n[camera]\nsource = "folder:../smear"\ncalibration = "~/100x.json"\n',
    )
    config = load_config(file, env={"HEMADIFF_INSTRUMENT__SOCKET": "here.sock"})
    assert config.store.path == tmp_path / "lab/counts.sqlite"
    assert config.camera.source == f"folder:{tmp_path}/smear"
    assert config.camera.calibration == tmp_path / "home/100x.json"
    assert config.socket_path == tmp_path / "here.sock"


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name() -> None:
    text = '# ours\n[web]\nport = 8000\n\n[count]\nmin_cell = 200  # "max_cells = 1"\n'
    assert refusal(text) == 'hemadiff.toml, line 6: [count] has no key "min_cell". Did you mean "min_cells"?'


def test_a_key_of_another_section_is_named_there() -> None:
    assert refusal("[store]\nport = 1\n").endswith(
        '[store] has no key "port". Did you mean the one of [stage] or [web]?'
    )


def test_an_unknown_section_is_refused_with_the_nearest_name() -> None:
    assert refusal("[cuont]\nmin_cells = 200\n") == (
        'hemadiff.toml, line 1: there is no section [cuont]. Did you mean "count"?'
    )


def test_an_unknown_key_below_a_laboratory_is_refused() -> None:
    said = refusal("[laboratory.blood]\nme_formula = 'a : b'\n")
    assert said.startswith('hemadiff.toml, line 2: [laboratory.blood] has no key "me_formula".')


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("HEMADIFF_WEB__PROT", 'HEMADIFF_WEB__PROT: [web] has no key "prot". Did you mean "port"?'),
        ("HEMADIFF_WEBB__PORT", 'HEMADIFF_WEBB__PORT: there is no section [webb]. Did you mean "web"?'),
        ("HEMADIFF_WEB_PORT", "HEMADIFF_WEB_PORT sets nothing. Did you mean HEMADIFF_WEB__PORT?"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(name: str, sentence: str) -> None:
    with pytest.raises(ApplianceRefused) as caught:
        load_config(env={name: "1"})
    assert str(caught.value).endswith(sentence)


def test_other_variables_are_left_alone() -> None:
    assert load_config(env={"HEMADIFF_DATA": "/data", "PATH": "/bin", "HEMADIFFERENT__X": "1"}) == Config()


def test_every_wrong_value_is_named_in_the_order_of_the_file() -> None:
    said = refusal('[web]\nport = "many"\n[count]\nmin_cells = 0\ndetector = "eyes"\n').splitlines()
    assert [line.partition(": ")[0] for line in said] == [f"hemadiff.toml, line {n}" for n in (2, 4, 5)]
    assert "[web] port = 'many'" in said[0]


@pytest.mark.parametrize(
    "text",
    [
        "[count]\nmin_cells = 600\n",
        "[count]\nspecimen = 'urine'\n",
        "[camera]\nsource = 'usb:0'\n",
        "[camera]\norder = 'random'\n",
        "[camera]\num_per_px = 90\n",
        "[web]\nport = 70000\n",
        "[web]\nthreads = 8\n",
        "[laboratory.blood.reference]\nlymphocyte = [40, 20]\n",
        "[laboratory.blood.reference]\nlymphocyte = 20\n",
        "[laboratory.blood.watched]\nblast = ['few']\n",
        "[laboratory.blood.watched]\nblast = [120]\n",
        "[laboratory.blood.reference]\nlymphocyte = [20, 140]\n",
        "[laboratory.marrow.reference]\nerythroid_total = [20, 140]\n",
        "count = 3\n",
    ],
)
def test_nonsense_is_refused_with_its_place(text: str) -> None:
    assert refusal(text).startswith("hemadiff.toml, line ")


def test_a_range_that_the_settings_take_is_one_that_a_count_takes() -> None:
    text = (
        "[laboratory.blood.reference]\nnrbc_per_100 = [0, 120]\n"
        "[laboratory.marrow.reference]\nme_ratio = [2, 150]\n"
    )
    written(Path("hemadiff.toml"), text)
    config = load_config(env=NOTHING)
    blood = plan_from_config(config, camera="simulated").rules()
    marrow = plan_from_config(config, camera="simulated", specimen="marrow").rules()
    assert blood.reference["nrbc_per_100"] == (0, 120)
    assert marrow.reference["me_ratio"] == (2, 150)


def test_a_range_of_a_percentage_over_100_is_refused_by_its_name() -> None:
    said = refusal("[laboratory.blood.reference]\nlymphocyte = [20, 140]\n")
    assert "[laboratory.blood] reference: lymphocyte is a percentage, and 140 is more than 100." in said


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in refusal("[web]\nport = = 3\n")
    Path("hemadiff.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ApplianceRefused, match="not UTF-8"):
        load_config(env=NOTHING)


def test_a_variable_that_is_not_json_where_it_should_be_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="HEMADIFF_LABORATORY__BLOOD__WATCHED is not JSON"):
        load_config(env={"HEMADIFF_LABORATORY__BLOOD__WATCHED": "{blast = 2}"})


def test_variables_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ApplianceRefused, match="contradicts"):
        load_config(env={"HEMADIFF_WEB__PORT": "1", "HEMADIFF_WEB__PORT__X": "1"})


def test_a_socket_whose_path_is_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    config = load_config(env={"HEMADIFF_STORE__PATH": str(tmp_path / ("x" * 100) / "store.sqlite")})
    with pytest.raises(ApplianceRefused, match=r"\[instrument\] socket"):
        _ = config.socket_path


def test_settings_cannot_be_changed_once_they_are_read() -> None:
    config = load_config(env=NOTHING)
    with pytest.raises(ValueError, match="frozen"):
        config.web.port = 1  # type: ignore[misc]


def test_lines_are_found_whatever_a_file_looks_like() -> None:
    text = '''
a.b = """
[not.a.table]
c = 1
"""
[ "x.y" . z ]  # comment
list = [
  1, # one
  "]",
]
table = { p = 1, q.r = 2 }

[[many]]
k = 1
[[many]]
k = 2
'''
    assert lines_of(text) == {
        ("a",): 2,
        ("a", "b"): 2,
        ("x.y", "z"): 6,
        ("x.y", "z", "list"): 7,
        ("x.y", "z", "table"): 11,
        ("x.y", "z", "table", "p"): 11,
        ("x.y", "z", "table", "q"): 11,
        ("x.y", "z", "table", "q", "r"): 11,
        ("many",): 13,
        ("many", "k"): 14,
    }


def test_a_misspelt_label_is_refused_with_its_line_and_the_nearest_name() -> None:
    said = refusal(
        "[laboratory.blood.reference]\nlymphocite = [20, 40]\n[laboratory.marrow.watched]\nblats = [5]\n",
        {"HEMADIFF_LABORATORY__MARROW__REFERENCE__MONOCITE": "[1, 5]"},
    )
    assert said.splitlines() == [
        "HEMADIFF_LABORATORY__MARROW__REFERENCE__MONOCITE: "
        '[laboratory.marrow.reference] has no label "monocite". Did you mean "monocyte"?',
        'hemadiff.toml, line 2: [laboratory.blood.reference] has no label "lymphocite". Did you mean "lymphocyte"?',
        'hemadiff.toml, line 4: [laboratory.marrow.watched] has no label "blats". Did you mean "blast"?',
    ]


def test_measures_the_merged_row_and_labels_of_a_panel_that_a_command_may_choose_are_labels() -> None:
    Path("hemadiff.toml").write_text(
        "[laboratory.blood.reference]\nneutrophil = [40, 70]\nnrbc_per_100 = [0, 1]\n"
        "[laboratory.marrow.reference]\nme_ratio = [2, 4]\nerythroid_total = [15, 35]\nplasma_cell = [0, 3]\n"
    )
    assert list(load_config(env=NOTHING).laboratory.blood.reference) == ["neutrophil", "nrbc_per_100"]
