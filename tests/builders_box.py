"""A throw-away root with Hemadiff installed in it, and the programs of Debian that its units name."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
INSTALL = REPOSITORY / "systemd" / "install.sh"
UNITS = sorted(path.name for path in (REPOSITORY / "systemd" / "units").iterdir())
NEEDS = {
    "openssl": "openssl makes the certificate",
    "systemd-analyze": "systemd's own tools judge its units",
}


def missing(*programs: str) -> str:
    """Why a test cannot run here; empty where it can."""
    return "; ".join(f"{NEEDS[each]}, and {each} is missing" for each in programs if not shutil.which(each))


def install(
    root: Path, *words: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installer on a root of its own; return what it said."""
    command = ["sh", str(INSTALL), "--root", str(root), *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )


def installed(root: Path, *words: object) -> Path:
    """A root with Hemadiff installed in it. An empty one without any option is a copy of one that was made once."""
    root.mkdir(exist_ok=True)
    if not words and not any(root.iterdir()):
        return Path(shutil.copytree(_plain(), root, symlinks=True, dirs_exist_ok=True))
    done = install(root, *words)
    assert done.returncode == 0, done.stderr
    return root


@cache
def _plain() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="hemadiff-box-")
    atexit.register(folder.cleanup)
    done = install(Path(folder.name))
    assert done.returncode == 0, done.stderr
    return Path(folder.name)


def with_program(root: Path) -> Path:
    """Put the program of this source tree where an installation has it."""
    return script(root / "opt/hemadiff/current/bin/hemadiff", _PROGRAM.format(python=sys.executable))


_PROGRAM = f"""exec env PYTHONPATH={REPOSITORY} {{python}} -c 'from appliance.cli import main; main()' "$@"
"""


def script(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def with_debian(root: Path) -> Path:
    """Give a root the units of Debian, and stand-ins for the programs that ours start."""
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    for program in ("opt/hemadiff/current/bin/hemadiff", "usr/bin/dbus-run-session", "usr/bin/sway"):
        script(root / program)
    return root


def tree(root: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Every file and link of a root: where it leads or what it holds, its mode, when it was written."""
    return {
        str(path.relative_to(root)): (
            oct(path.lstat().st_mode),
            path.lstat().st_mtime_ns,
            os.readlink(path) if path.is_symlink() else path.read_bytes(),
        )
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
