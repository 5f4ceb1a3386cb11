"""From settings to a stage: the protocol is the name before the port, and a file of `protocols/`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from firmware_bridge import protocols
from firmware_bridge.errors import StageRefused
from firmware_bridge.settings import StageSettings
from firmware_bridge.stage import Stage


def known_protocols() -> list[str]:
    """Return the names of the protocols there are: the files of `protocols/`."""
    return sorted(module.name for module in pkgutil.iter_modules(protocols.__path__))


def open_stage(settings: StageSettings) -> Stage:
    """Open the stage that the settings name; nothing moves.

    Raises StageRefused for an unknown protocol or settings that do not fit the controller, PortSilent, PortGarbled or
    PortVanished where none answers.
    """
    names = known_protocols()
    if settings.protocol not in names:
        near = difflib.get_close_matches(settings.protocol, names, 1)
        hint = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(names)}."
        raise StageRefused(f'There is no stage protocol "{settings.protocol}". {hint}')
    module = importlib.import_module(f"{protocols.__name__}.{settings.protocol}")
    stage: Stage = module.PROTOCOL(settings)
    return stage
