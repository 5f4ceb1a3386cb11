"""What leaves the instrument of a run, for pages and programs alike: made, put on the trail, then sent."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import Response, abort, send_file
from flask_babel import gettext

from appliance.accounts.roles import Permission
from appliance.record_number import masked
from appliance.reports.exports import as_csv, as_object
from appliance.reports.ome_tiff import write_ome_tiff
from appliance.reports.result import Result, pictures_of, result_of
from appliance.store import Store
from web.access import may_here, no_store, who
from web.blind import refuse_blind
from web.rooms import Rooms

OME_TIFF = "ome-tiff"
KINDS: Mapping[str, str] = {
    "pdf": "application/pdf", "csv": "text/csv; charset=utf-8", "json": "application/json", OME_TIFF: "image/tiff",
}  # fmt: skip
"""What kinds there are, and the type of each."""


def exported(rooms: Rooms, run: str, kind: str, *, unmasked: bool = False) -> Response:
    """Return a file of a run, once the trail says that it left. unmasked: with the sample's number whole.

    The file's name says whether the number in it is whole, and never the number.
    Ends in 403 for a number that who asks may not see, in 409 for who reads the run blind, or where there is nothing.
    """
    if unmasked and not may_here(Permission.SEE_IDENTITY):
        abort(403, gettext("Your role may not see whose sample this is."))
    if kind == OME_TIFF:
        return _fields(rooms, run)
    with rooms.store() as store:
        refuse_blind(store, store.run(run).id)
        result = result_of(store, run, unmasked=unmasked)
        body = _written(store, result, kind)
    identity = "none" if not result.sample else "whole" if unmasked else "masked"
    _on_trail(rooms, result.run.id, kind, identity=identity)
    answer = no_store(Response(body, content_type=KINDS[kind]))
    name = f"run-{result.run.id}-with-sample.{kind}" if identity == "whole" else f"run-{result.run.id}.{kind}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def numbers_in_exports(store: Store, run: str) -> Sequence[tuple[str, str | None]]:
    """Return how the sample's number can stand in what who asks takes out, and the "whose" to ask for it with.

    Empty where nobody gave a number.
    """
    number = store.record_number(run)
    if number is None:
        return ()
    whole = [(number, "yes")] if may_here(Permission.SEE_IDENTITY) else []
    return [(masked(number), None), *whole]


def _written(store: Store, result: Result, kind: str) -> bytes:
    if kind == "pdf":
        from appliance.reports.report_pdf import report_pdf  # Matplotlib: only where something is drawn

        return report_pdf(result, pictures_of(store, result))
    if kind == "csv":
        return as_csv(result).encode()
    return json.dumps(as_object(store, result), ensure_ascii=False, indent=1).encode()


def _fields(rooms: Rooms, run: str) -> Response:
    """Return the run's fields, which say nothing of any label."""
    with contextlib.ExitStack() as until_sent, rooms.store() as store:
        path = Path(until_sent.enter_context(tempfile.TemporaryDirectory())) / "fields.ome.tiff"
        record = store.run(run)
        write_ome_tiff(store, record, path)
        _on_trail(rooms, record.id, OME_TIFF)
        name = f"run-{record.id}.ome.tiff"
        answer = no_store(send_file(path, KINDS[OME_TIFF], as_attachment=True, download_name=name))
        answer.call_on_close(until_sent.pop_all().close)
    return answer


def _on_trail(rooms: Rooms, run: str, kind: str, **details: str) -> None:
    rooms.instrument.ask("exported", by=who().name, run=run, details={"kind": kind, **details})
