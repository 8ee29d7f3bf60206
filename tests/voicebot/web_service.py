"""The API of a service without telephones, and a client of it; a module may have others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from voicebot.config import Settings

if TYPE_CHECKING:
    from tests.voicebot.test_web import _Service


@pytest.fixture
def service(settings: Settings) -> _Service:
    from tests.voicebot.test_web import _opened, _Service

    # The test client has a loop of its own, so the records are opened there.
    return _Service(settings, asyncio.run(_opened(settings)))


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    from voicebot.web.api import create_app

    with TestClient(create_app(service, service.announcements)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)
