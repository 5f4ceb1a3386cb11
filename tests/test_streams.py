"""Streams of events: put together once for all who watch, and ended with what opened them."""

from __future__ import annotations

import json
from pathlib import Path

from builders_people import signed_in
from builders_web import FakeInstrument, a_hub, a_run, settings

from appliance.accounts import secret
from web.app import create_app
from web.stream import RECENT, Encoded


def test_what_many_viewers_are_told_is_put_together_once() -> None:
    encoded = Encoded()
    message = {"event": "run", "counted": 250}
    first = encoded.event(message)
    assert encoded.event(message) is first
    assert json.loads(first.split(b"data: ")[1]) == message


def test_a_viewer_who_is_slow_is_told_of_a_message_that_is_kept_no_more() -> None:
    encoded = Encoded()
    messages = [{"event": "run", "counted": n} for n in range(RECENT + 1)]
    told = [encoded.event(each) for each in messages]
    assert [encoded.event(each) for each in messages] == told


def test_a_programs_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    app = create_app(config, a_hub(config))
    administrator = signed_in(app.test_client(), config, "administrator", "ada")
    word = secret.new_token()
    asked = {"by": "ada", "title": "LIS", "role": "viewer", "days": 30, "digest": secret.token_digest(word)}
    token = fake._answer("add_token", asked)["token"]
    stream = app.test_client().get("/api/v1/events", headers={"Authorization": f"Bearer {word}"}).response
    told = iter(stream)
    assert [next(told).split(b"\n")[0] for _ in range(2)] == [b"event: beat", b"event: snapshot"]
    assert administrator.post(f"/tokens/{token}/revoke").status_code == 303
    assert next(told, None) is None
    fake.dies()
