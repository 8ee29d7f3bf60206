"""Who gives calls out is told when no new one should come here; a service that ends is well."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.voicebot.test_web import _Service, bearer
from voicebot.readiness import Readiness, readiness


def test_one_telephone_endpoint_that_answers_is_enough() -> None:
    assert readiness(stopping=False, endpoints={"asterisk": False, "sip": True}).ready
    assert readiness(stopping=False, endpoints={}).ready


def test_without_any_that_answers_no_call_should_come() -> None:
    found = readiness(stopping=False, endpoints={"asterisk": False, "sip": False})
    assert (found.ready, found.why) == (False, "no_endpoint")


def test_who_stops_takes_no_call_whatever_answers() -> None:
    assert readiness(stopping=True, endpoints={"sip": True}).why == "stopping"


def test_a_service_that_ends_is_alive_and_not_ready(client: TestClient, service: _Service) -> None:
    headers = bearer(service, "metrics")
    answer = client.get("/ready", headers=headers)
    told = {"ready": True, "why": "", "endpoints": {"sip": True}}
    assert (answer.status_code, answer.json()) == (200, told)
    service.readiness = Readiness("stopping", {"sip": True})
    answer = client.get("/ready", headers=headers)
    told = answer.json()
    assert (answer.status_code, told["why"], told["code"]) == (503, "stopping", "not_ready")
    assert told["message"]
    assert client.get("/health", headers=headers).status_code == 200
