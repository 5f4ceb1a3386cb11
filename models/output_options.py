"""Where a command writes, and whether it can: found out before the work is done and not after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A file that can be written."""

    def __init__(self, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=allow_dash, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fail where its folder is not there or cannot be written to."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        _fail_unless_writable(self, path, param, ctx)
        return path


class ReportFolder(click.Path):
    """A folder for a report, made where it is not there.

    needs: the packages that the report needs and counting does not, each with its module's name.
    """

    def __init__(self, needs: Mapping[str, str] | None = None) -> None:
        super().__init__(file_okay=False, writable=True, readable=False, path_type=Path)
        self._needs = needs or {}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fail where it cannot be written to or a package is not installed."""
        missing = [package for package, module in self._needs.items() if find_spec(module) is None]
        if missing:
            self.fail(
                f"a report needs {' and '.join(missing)}, which counting does without. "
                "Install it: pip install 'hemadiff[report]'",
                param,
                ctx,
            )
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        _fail_unless_writable(self, path, param, ctx)
        return path


def _fail_unless_writable(
    kind: click.Path, path: Path, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    folder = path.parent
    if not folder.is_dir():
        kind.fail(f"the folder {folder} of {path.name} does not exist. Make it, or name another.", param, ctx)
    if not path.exists() and not os.access(folder, os.W_OK | os.X_OK):
        kind.fail(f"{folder} cannot be written to. Name another folder.", param, ctx)
