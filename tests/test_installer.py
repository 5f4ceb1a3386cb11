"""`systemd/install.sh`, rehearsed in a throw-away root: it can be run again, backs up first, and takes no data away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from builders_box import INSTALL, REPOSITORY, install, installed, missing, script, tree, with_program
from builders_store import counted_run

from appliance.backup import backups, check

pytestmark = pytest.mark.skipif(bool(missing("openssl")), reason=missing("openssl"))
STORE = "var/lib/hemadiff/hemadiff.sqlite"
BACKUPS = "var/backups/hemadiff"


def openssl(root: Path, *words: str) -> str:
    certificate = root / "etc/hemadiff/tls/hemadiff.crt"
    command = ["openssl", "x509", "-in", str(certificate), "-noout", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def used(root: Path) -> Path:
    """A box that was installed and has counted."""
    installed(root)
    with_program(root)
    (root / BACKUPS).mkdir(parents=True, exist_ok=True)
    counted_run(root / STORE)
    return root


def test_a_box_boots_into_instrument_page_touchscreen_and_backup(tmp_path: Path) -> None:
    root = installed(tmp_path)
    wanted = {path.name for path in root.glob("etc/systemd/system/*.wants/*")}
    assert wanted == {
        "hemadiff-instrument.service",
        "hemadiff-web.service",
        "hemadiff-kiosk.service",
        "hemadiff-backup.timer",
    }


def test_installing_again_changes_nothing(tmp_path: Path) -> None:
    before = tree(installed(tmp_path, "--stage", "A50285BI", "--proxy", "nginx", "--name", "10.0.0.7"))
    assert tree(installed(tmp_path)) == before


def test_settings_are_the_laboratory_s(tmp_path: Path) -> None:
    settings = installed(tmp_path) / "etc/hemadiff/hemadiff.toml"
    settings.write_text("# ours\n")
    installed(tmp_path)
    assert settings.read_text() == "# ours\n"


def test_a_file_of_ours_that_was_changed_is_put_right(tmp_path: Path) -> None:
    unit = installed(tmp_path) / "etc/systemd/system/hemadiff-web.service"
    shipped = unit.read_text()
    unit.write_text("[Service]\n")
    installed(tmp_path)
    assert unit.read_text() == shipped


def test_the_certificate_is_the_box_s_own_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("smear-1\n")
    root = installed(tmp_path, "--name", "lab.example", "--name", "10.0.0.7")
    names = openssl(root, "-ext", "subjectAltName")
    assert all(f"DNS:{name}" in names for name in ("smear-1", "smear-1.local", "localhost", "lab.example"))
    assert "IP Address:10.0.0.7" in names
    assert "prime256v1" in openssl(root, "-text")
    assert (root / "etc/hemadiff/tls/hemadiff.key").stat().st_mode & 0o777 == 0o600


def test_a_certificate_that_is_there_stays(tmp_path: Path) -> None:
    before = openssl(installed(tmp_path), "-fingerprint")
    assert openssl(installed(tmp_path, "--name", "lab.example"), "-fingerprint") == before


def test_a_board_keeps_its_name_by_its_serial_number_and_the_instrument_waits_for_it(tmp_path: Path) -> None:
    root = installed(tmp_path, "--stage", "A50285BI")
    rules = (root / "etc/udev/rules.d/71-hemadiff-names.rules").read_text()
    assert 'ATTRS{serial}=="A50285BI", SYMLINK+="hemadiff/stage"' in rules
    waiting = root / "etc/systemd/system/hemadiff-instrument.service.d/devices.conf"
    assert "After=dev-hemadiff-stage.device" in waiting.read_text()


def test_a_board_without_a_serial_number_keeps_its_name_by_where_it_is_plugged_in(tmp_path: Path) -> None:
    root = installed(tmp_path, "--camera", "path:pci-0000:00:14.0-usb-0:2:1.0")
    rules = (root / "etc/udev/rules.d/71-hemadiff-names.rules").read_text()
    assert 'ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:2:1.0", SYMLINK+="hemadiff/camera"' in rules


def test_what_was_asked_for_once_is_remembered_until_it_is_taken_back(tmp_path: Path) -> None:
    drop_in = (
        installed(tmp_path, "--gpu", "--stage", "A1")
        / "etc/systemd/system/hemadiff-instrument.service.d/gpu.conf"
    )
    installed(tmp_path, "--camera", "C1")
    assert drop_in.exists()
    rules = (tmp_path / "etc/udev/rules.d/71-hemadiff-names.rules").read_text()
    assert "A1" in rules
    assert "C1" in rules
    installed(tmp_path, "--no-gpu")
    assert not drop_in.exists()


def test_a_box_without_a_touchscreen_starts_none(tmp_path: Path) -> None:
    installed(tmp_path)
    root = installed(tmp_path, "--no-kiosk")
    assert not list(root.glob("etc/systemd/system/*.wants/hemadiff-kiosk.service"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stage", 'x", RUN+="/bin/sh'], "--stage"),
        (["--proxy", "apache"], "nginx, caddy or none"),
        (["--stag", "x"], "no option"),
        (["--stage"], "needs a value"),
        (["--from", "/no/such/tree"], "There is no /no/such/tree"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    said = install(tmp_path, *words)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert tree(tmp_path) == {}


def test_an_upgrade_backs_the_database_up_first(tmp_path: Path) -> None:
    root = used(tmp_path)
    said = install(root)
    assert said.returncode == 0, said.stderr
    (made,) = backups(root / BACKUPS)
    assert check(made) == 1


def test_an_upgrade_whose_backup_fails_changes_nothing(tmp_path: Path) -> None:
    root = used(tmp_path)
    unit = root / "etc/systemd/system/hemadiff-web.service"
    unit.write_text("# of the version before\n")
    script(root / "opt/hemadiff/current/bin/hemadiff", "exit 1\n")
    before = tree(root)
    said = install(root)
    assert said.returncode == 2
    assert "could not be backed up" in said.stderr
    assert tree(root) == before


def test_uninstalling_takes_everything_away_but_data_settings_and_certificate(tmp_path: Path) -> None:
    root = used(tmp_path)
    said = install(root, "uninstall")
    assert said.returncode == 0, said.stderr
    left = {
        name for name in tree(root) if not name.startswith(("etc/passwd", "etc/shadow", "etc/g", "etc/.pwd"))
    }
    kept = {
        "etc/hemadiff/hemadiff.toml",
        "etc/hemadiff/box",
        "etc/hemadiff/tls/hemadiff.crt",
        "etc/hemadiff/tls/hemadiff.key",
    }
    assert left == kept | {name for name in left if name.startswith("var/lib/hemadiff/")}
    assert check(root / STORE) == 1


def test_uninstalling_leaves_what_others_put_beside_our_files(tmp_path: Path) -> None:
    root = installed(tmp_path)
    other = root / "etc/systemd/system/other.service"
    other.write_text("[Service]\n")
    override = root / "etc/systemd/system/hemadiff-web.service.d/override.conf"
    override.parent.mkdir()
    override.write_text("[Service]\n")
    assert install(root, "uninstall").returncode == 0
    assert other.exists()
    assert override.exists()


def test_a_proxy_gets_its_own_configuration_back(tmp_path: Path) -> None:
    own = tmp_path / "etc/caddy/Caddyfile"
    own.parent.mkdir(parents=True)
    own.write_text("example.org\n")
    installed(tmp_path, "--proxy", "caddy")
    assert "reverse_proxy 127.0.0.1:8080" in own.read_text()
    assert install(tmp_path, "uninstall").returncode == 0
    assert own.read_text() == "example.org\n"


def test_a_box_can_be_installed_again_over_the_data_of_an_earlier_one(tmp_path: Path) -> None:
    root = used(tmp_path)
    install(root, "uninstall")
    said = install(root)
    assert said.returncode == 0, said.stderr
    assert check(root / STORE) == 1


def test_uninstalling_what_is_not_there_says_so(tmp_path: Path) -> None:
    said = install(tmp_path, "uninstall")
    assert said.returncode == 2
    assert "nothing was installed here" in said.stderr


RELEASE = """
set -eu
here={systemd}
. "$here/install/options.sh"
. "$here/install/program.sh"
base={base}
{what}
"""


def in_program(tmp_path: Path, what: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a part of the installer that makes virtual environments, with a base and a Python of the test's own."""
    text = RELEASE.format(systemd=INSTALL.parent, base=tmp_path / "base", what=what)
    python = script(
        tmp_path / "python",
        """[ "$1" = -m ] || exit 0
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >>"%s/pip"; exit ${PIP_ENDS:-0}\\n' "$3" >"$3/bin/pip"
printf '#!/bin/sh\\necho hemadiff 9\\n' >"$3/bin/hemadiff"
chmod +x "$3/bin/pip" "$3/bin/hemadiff"
""",
    )
    return subprocess.run(
        ["sh", "-c", text],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": str(python), **env},
        check=False,
    )


MAKE = 'from={tree}; make_release "$base/releases/new" && echo made'


def test_a_release_is_installed_with_every_hash_checked(tmp_path: Path) -> None:
    said = in_program(tmp_path, MAKE.format(tree=small_tree(tmp_path)))
    assert said.stdout.endswith("made\n"), said.stderr
    first, second = (tmp_path / "base/releases/new/pip").read_text().splitlines()
    assert "--require-hashes" in first
    assert "--no-deps" in second
    assert (tmp_path / "base/releases/new/complete").exists()


def test_an_isolated_box_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    in_program(tmp_path, f"wheels={tmp_path}/wheels; " + MAKE.format(tree=small_tree(tmp_path)))
    calls = (tmp_path / "base/releases/new/pip").read_text().splitlines()
    assert all("--no-index --find-links" in call for call in calls)


def test_a_release_that_failed_is_never_taken_for_whole(tmp_path: Path) -> None:
    said = in_program(tmp_path, MAKE.format(tree=small_tree(tmp_path)), PIP_ENDS="1")
    assert said.returncode != 0
    assert not (tmp_path / "base/releases/new/complete").exists()


def test_the_release_before_stays_and_older_ones_go(tmp_path: Path) -> None:
    for age, name in enumerate(["aaa", "bbb", "ccc", "ddd"]):
        made = tmp_path / "base/releases" / name
        made.mkdir(parents=True)
        os.utime(made, (1000 - age, 1000 - age))
    in_program(tmp_path, "remove_old_releases aaa")
    assert {path.name for path in (tmp_path / "base/releases").iterdir()} == {"aaa", "bbb"}


def test_a_release_is_named_by_all_that_it_is_made_of(tmp_path: Path) -> None:
    tree_of = small_tree(tmp_path)
    first = in_program(tmp_path, f"from={tree_of}; release_of").stdout
    assert first == in_program(tmp_path, f"from={tree_of}; release_of").stdout
    assert first != in_program(tmp_path, f"from={tree_of}; gpu=yes; release_of").stdout
    (tree_of / "web/app.py").write_text("# changed\n")
    assert first != in_program(tmp_path, f"from={tree_of}; release_of").stdout


def small_tree(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    for folder in ("appliance", "calibration", "firmware_bridge", "models", "web", "requirements"):
        (made / folder).mkdir(parents=True)
        (made / folder / "app.py").touch()
    (made / "pyproject.toml").touch()
    return made


@pytest.mark.parametrize(
    "file", sorted(str(path.relative_to(REPOSITORY)) for path in INSTALL.parent.rglob("*.sh"))
)
def test_every_part_of_the_installer_is_plain_shell(file: str) -> None:
    said = subprocess.run(["sh", "-n", file], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert said.stderr == ""
