"""Who is in the pictures: people of a laboratory that does not exist."""

from __future__ import annotations

from appliance.accounts.secret import hash_password, hash_pin
from appliance.channel_client import InstrumentClient

ROLES = {
    "kim": "administrator",
    "robin": "operator",
    "ana": "reviewer",
    "mina": "reviewer",
    "erik": "engineer",
    "ward-3": "viewer",
}
PASSWORD = "only-for-pictures"  # of an instrument that lives for a minute
PIN = "271828"
FIRST = "kim"


def make_accounts(instrument: InstrumentClient) -> None:
    """Give everybody an account: the administrator first, who makes the others."""
    password, pin = hash_password(PASSWORD), hash_pin(PIN)
    instrument.ask("first_administrator", name=FIRST, password=password, pin=None)
    for name, role in ROLES.items():
        if name != FIRST:
            own = pin if role in ("operator", "reviewer") else None
            instrument.ask("add_account", by=FIRST, name=name, role=role, password=password, pin=own)
            instrument.ask(
                "change_own", by=name, how="password", password=password, pin=own
            )  # as everybody must at first
