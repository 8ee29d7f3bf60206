"""GET /v1/audit: auditors read who did what, and nothing about callers."""

import asyncio
from typing import Any

from fastapi.testclient import TestClient

from tests.voicebot.test_web import _Service, bearer


def acts(client: TestClient, service: _Service, query: str, key: dict[str, str]) -> list[Any]:
    async def written() -> None:
        await asyncio.gather(*service.records._tasks)

    assert client.portal is not None
    client.portal.call(written)
    answer = client.get(f"/v1/audit?{query}", headers=key)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found: list[Any] = answer.json()["acts"]
    return found


def test_an_auditor_sees_reads_refusals_and_his_own_looks(
    client: TestClient, service: _Service
) -> None:
    auditor = bearer(service, "auditor")
    client.get("/api/calls/C1", headers=bearer(service, "agent"))
    client.get("/api/calls/C2", headers=auditor)
    (read,) = acts(client, service, "action=call.read", auditor)
    assert (read["principal"], read["subject"], read["allowed"]) == ("agent", "C1", True)
    (refused,) = acts(client, service, "refused=true", auditor)
    assert (refused["role"], refused["subject"]) == ("auditor", "/api/calls/C2")
    assert acts(client, service, "subject=C1&who=nobody", auditor) == []
    assert len(acts(client, service, "action=audit.list", auditor)) == 3
    newest = acts(client, service, "limit=2", auditor)
    assert newest[0]["id"] == newest[1]["id"] + 1


def test_an_action_is_no_pattern(client: TestClient, service: _Service) -> None:
    assert acts(client, service, "action=%25", bearer(service, "auditor")) == []
