"""The shapes of what the API takes and gives, where they are not the instrument's own (`appliance.view`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.view import InstrumentView, RunView

RUN_ID = r"^[0-9a-f]{4,32}$"


class Asked(BaseModel):
    """What a request says: nothing beside it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Asked):
    """A request that says nothing."""


class RunPath(BaseModel):
    """Which run."""

    run: str = Field(pattern=RUN_ID, description="A run's random id.")


class Link(BaseModel):
    """Whether the instrument can be heard. since: when that changed.  why: a sentence where it cannot."""

    up: bool
    since: str
    why: str | None


class Note(BaseModel):
    """What is to be said while there is no run."""

    title: str
    text: str


class State(BaseModel):
    """The instrument, its run, and whether it can be heard. page: the version of the page's own files."""

    event: Literal["snapshot"]
    seq: int = 0
    instrument: InstrumentView | None
    run: RunView | None
    link: Link
    note: Note | None
    page: str


class StartAsked(Asked):
    """A count to start; what is left out is as the settings have it.

    sample: the number by which the laboratory knows the sample; kept once, shown masked.
    """

    specimen: Literal["blood", "marrow"] | None = None
    panel: str | None = Field(default=None, max_length=64)
    sample: str | None = Field(default=None, max_length=64)
    min_cells: int | None = Field(default=None, ge=1, le=100_000)
    max_cells: int | None = Field(default=None, ge=1, le=100_000)


class ResumeAsked(Asked):
    """A paused run to go on with; by default the instrument's latest."""

    run: str | None = Field(default=None, pattern=RUN_ID)


class RunAsked(Asked):
    """The run that is meant: where another one counts by now, nothing is done."""

    run: str = Field(pattern=RUN_ID)


class Started(BaseModel):
    """The run that counts now."""

    run: str
