"""What people say, as it reaches the instrument: who, of which run, and what they wrote."""

from __future__ import annotations

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_records import RunRecord

LONGEST_NAME = 100


def person(by: object) -> str:
    """Return who does something. Raises ApplianceRefused where nobody is named."""
    name = written(by, "name", LONGEST_NAME)
    if not name:
        raise ApplianceRefused("Nobody is named who does this. Sign in first.")
    return name


def run_named(store: Store, run: object) -> RunRecord:
    """Return the run of that id, or of an unambiguous beginning of one. Raises ApplianceRefused otherwise."""
    return store.run(written(run, "id of the run", LONGEST_NAME))


def written(text: object, what: str, longest: int) -> str:
    """Return what a person wrote, without the space around it.

    what: its name in a refusal ("note").  longest: in characters.
    Raises ApplianceRefused for what is no text, or too long.
    """
    if not isinstance(text, str) or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ApplianceRefused(f"The {what} is no text. Write it anew.")
    text = text.strip()
    if len(text) > longest:
        raise ApplianceRefused(f"The {what} has {len(text)} characters. Shorten it to {longest}.")
    return text
