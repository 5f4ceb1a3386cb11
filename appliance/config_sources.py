"""Where settings come from: a TOML file whose lines are known, and environment variables by name."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceRefused

Key = tuple[str, ...]
FILE_VARIABLE = "HEMADIFF_CONFIG"
PREFIX = "HEMADIFF_"
DELIMITER = "__"
SYSTEM_FILE = Path("/etc/hemadiff/hemadiff.toml")
# Settings that are paths: relative ones in a file belong to the file's folder.
PATHS = (
    ("store", "path"),
    ("instrument", "socket"),
    ("camera", "calibration"),
    ("camera", "key"),
    ("engine", "cache"),
    ("microscope", "overview", "key"),
)
SOURCE = ("camera", "source")


@dataclass(frozen=True)
class Source:
    """Settings from one place. values: nested.  origins: what a person may call the place of each key."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: Mapping[Key, str] = field(default_factory=dict)

    def origin(self, key: Key) -> str | None:
        """Return the place of a key or of the nearest table around it; None where this source has neither."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return None


def find_file(path: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the settings file: the one that is named, else the first of the usual ones that exists.

    Raises ApplianceRefused where a file is named and does not exist.
    """
    named = path or (Path(env[FILE_VARIABLE]) if env.get(FILE_VARIABLE) else None)
    if named is not None:
        if not named.is_file():
            who = "--config" if path else FILE_VARIABLE
            raise ApplianceRefused(f"There is no settings file {named} ({who}). Check its path.")
        return named
    usual = (Path("hemadiff.toml"), _config_home(env) / "hemadiff" / "hemadiff.toml", SYSTEM_FILE)
    # A folder that we may not enter has none for us: a service's user is often asked from somebody else's home.
    return next((file for file in usual if os.path.isfile(file)), None)


def _config_home(env: Mapping[str, str]) -> Path:
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def from_file(path: Path) -> Source:
    """Read a TOML file; origins are ``FILE, line N``. Raises ApplianceRefused with the line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ApplianceRefused(f"{path} is not UTF-8 text. A settings file is TOML.") from error
    except OSError as error:
        raise ApplianceRefused(
            f"The settings file {path} cannot be read: {error.strerror or error}."
        ) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ApplianceRefused(f"{path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise ApplianceRefused(f"{path} nests too deeply for a settings file.") from error
    origins = {key: f"{path}, line {line}" for key, line in lines_of(text).items()}
    return Source(_absolute(values, path.resolve().parent), origins)


def lines_of(text: str) -> dict[Key, int]:
    """Return the line of every table and key of a TOML text that parses.

    A statement ends on the first line at which it parses on its own, so that no second grammar is needed.
    """
    lines: dict[Key, int] = {}
    table: Key = ()
    statement, began = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        statement, began = (f"{statement}\n{line}", began) if statement else (line, number)
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _only_path(parsed)
            lines.setdefault(table, began)
        else:
            for key in _paths(parsed):
                lines.setdefault((*table, *key), began)
        statement = ""
    return lines


def _only_path(parsed: Any) -> Key:
    """The path of a table header: every level has one key."""
    path: Key = ()
    while parsed:
        if isinstance(parsed, list):
            parsed = parsed[0]
            continue
        ((key, parsed),) = parsed.items()
        path = (*path, key)
    return path


def _paths(parsed: Mapping[str, Any]) -> Iterator[Key]:
    for key, value in parsed.items():
        yield (key,)
        if isinstance(value, Mapping):
            yield from ((key, *rest) for rest in _paths(value))


def from_environment(env: Mapping[str, str]) -> Source:
    """Read ``HEMADIFF_SECTION__KEY``; lists and tables are written as JSON. Other variables are left alone.

    Raises ApplianceRefused for a name or a value that cannot be read.
    """
    values: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    for name in sorted(env):
        if not name.upper().startswith(PREFIX) or DELIMITER not in name:
            continue
        key = tuple(name[len(PREFIX) :].lower().split(DELIMITER))
        table = values
        for part in key[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ApplianceRefused(
                    f"The environment variable {name} contradicts another for the same key."
                )
        value = _value(name, env[name])
        table[key[-1]] = value
        origins[key] = name
        for length in range(1, len(key)):
            origins.setdefault(key[:length], name)
        if isinstance(value, dict):
            origins.update({(*key, *rest): name for rest in _paths(value)})
    return Source(_absolute(values, Path.cwd()), origins)


def _value(name: str, text: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApplianceRefused(f"The environment variable {name} is not JSON ({error}).") from error


def _absolute(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make every path whole: ``~`` is the user's home, and a relative one belongs to ``folder``."""
    for *sections, key in (*PATHS, SOURCE):
        table: Any = values
        for section in sections:
            table = table.get(section) if isinstance(table, dict) else None
        text = table.get(key) if isinstance(table, dict) else None
        if not isinstance(text, str) or not text:
            continue
        is_source = (*sections, key) == SOURCE
        kind, colon, rest = text.partition(":") if is_source else ("", "", text)
        if is_source and kind != "folder":
            continue
        if rest:
            whole = os.path.normpath(folder / os.path.expanduser(rest))
            table[key] = f"{kind}{colon}{whole}"
    return values
