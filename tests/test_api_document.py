"""The API's document, and whatever anybody may send by it: nothing ends in a failure of the server."""

from __future__ import annotations

import pytest
from builders_people import CSRF, a_cookie
from builders_review import ended
from builders_web import FakeInstrument, a_hub, a_run, settings
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from appliance.store import Store
from web.app import create_app
from web.hub import Hub

schemathesis = pytest.importorskip("schemathesis")

DOCUMENT = "/api/v1/openapi.json"
TRIES = 12
SAID = (502, 503)  # the instrument failed, or does not answer: in the document


@pytest.fixture
def app(tmp_path):
    config = settings(tmp_path)
    with Store(config.store.path) as store:
        store.db.conn.execute("PRAGMA synchronous = OFF")
        ended(store, record_number="H-1234")
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    app = create_app(config, Hub(a_hub(config)._follow))
    inner, cookie = app.wsgi_app, a_cookie(config)

    def signed_in(environ, start_response):
        return inner(
            {**environ, "HTTP_COOKIE": f"hemadiff={cookie}", "HTTP_X_CSRF_TOKEN": CSRF}, start_response
        )

    app.wsgi_app = signed_in
    yield app
    fake.dies()


def test_the_document_names_every_address_of_the_api_and_no_page(app):
    document = app.test_client().get(DOCUMENT).json
    served = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")} - {DOCUMENT}
    named = set(document["paths"])
    assert {rule.replace("<", "{").replace(">", "}").replace("{int:", "{") for rule in served} == named


def test_every_operation_says_what_it_does_and_how_it_refuses(app):
    document = app.test_client().get(DOCUMENT).json
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "post", "put", "delete", "patch"):
                assert operation.get("summary"), f"{method} {path}"
                assert "401" in operation["responses"], f"{method} {path}"


FEW = hypothesis_settings(
    max_examples=TRIES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_whatever_is_sent_ends_in_no_failure_of_the_server(app):
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app).exclude(path="/api/v1/events")
    failed = []

    def sent(operation):
        @FEW
        @given(case=operation.as_strategy())
        def once(case):
            status = case.call().status_code
            if status >= 500 and status not in SAID:
                failed.append((operation.label, status, case.path_parameters, case.query, case.body))

        return once

    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        sent(operation)()
    assert failed == []
    assert len(operations) > 5
