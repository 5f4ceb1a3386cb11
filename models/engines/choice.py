"""Which engine counts, and why: from what the settings ask for, what there is, and what is verified. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.engines.names import BEST_FIRST, EngineName
from models.errors import EngineRefused

VERIFY = "Run hemadiff engines verify"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an engine stands on this box.

    absent: why it cannot run here, as "TensorRT is not installed"; empty where it can.
    unverified: why it may not count, as "it was not verified on this box"; empty where it may.
    """

    absent: str = ""
    unverified: str = ""

    @property
    def may_count(self) -> bool:
        """Whether it can run and was verified."""
        return not self.absent and not self.unverified


READY = Standing()


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that counts. why: a sentence for whoever wonders why it is this one."""

    name: EngineName
    why: str


def choose(wanted: EngineName, standing: Mapping[EngineName, Standing]) -> Choice:
    """Return the engine that counts.

    standing: of every engine that was looked at; AUTO takes the best one that may count, in the order of BEST_FIRST.
    Raises EngineRefused where the one asked for by name may not count, or none may: nothing is run in its place.
    """
    if wanted is EngineName.AUTO:
        return _best(standing)
    stands = standing.get(wanted, Standing(absent="it was not looked for"))
    asked = f"The settings ask for the engine {wanted} ([engine] name), and"
    if stands.absent:
        raise EngineRefused(f'{asked} {stands.absent}. Install what it needs, or set it to "auto" or "onnx".')
    if stands.unverified:
        raise EngineRefused(f'{asked} {stands.unverified}. {VERIFY}, or set it to "auto" or "onnx".')
    return Choice(wanted, f"The settings ask for {wanted}.")


def _best(standing: Mapping[EngineName, Standing]) -> Choice:
    passed_over: dict[str, list[str]] = {}
    for name in (each for each in BEST_FIRST if each in standing):
        stands = standing[name]
        if stands.may_count:
            best = f"{name} is the best engine that may count here"
            return Choice(name, f"{'; '.join([best, *_reasons(passed_over)])}.")
        passed_over.setdefault(stands.absent or stands.unverified, []).append(name)
    raise EngineRefused(
        f"No engine may count here ({'; '.join(_reasons(passed_over)) or 'none was found'}). Install hemadiff[cpu]."
    )


def _reasons(passed_over: Mapping[str, list[str]]) -> list[str]:
    return [f"{' and '.join(names)}: {why}" for why, names in passed_over.items()]
