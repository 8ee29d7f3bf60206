"""Whole calls at two nodes with one 110 of one line: who has it, who waits, who gets it next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.state import Phase
from tests.voicebot.cluster.two_services import on_postgresql
from tests.voicebot.ear_doubles import LoudIsVoice
from tests.voicebot.test_session import (
    POLICE,
    CountingListener,
    scripted_engines,
    serving,
    until,
)
from tests.voicebot.test_waiting_lines import in_danger
from voicebot.app import Service
from voicebot.cluster import shared_lines
from voicebot.config import Settings, load_settings
from voicebot.records.store import Records

pytestmark = [pytest.mark.leaping_time, on_postgresql]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(
        f"""
[paths]
state = "{tmp_path / "state"}"
[database]
url = "{database_url}"
[handoff]
desk_url = "trunk:police/{{number}}"
seat_url = "trunk:seats/{{number}}"
answer_timeout_s = 1.0
confirm_timeout_s = 3.0
lines = {{ "{POLICE}" = 1 }}
"""
    )
    return load_settings(file)


@pytest.fixture
async def services(
    settings: Settings, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Service, Service]]:
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(shared_lines, "time", SimpleNamespace(monotonic=clock))
    for module in ("call.voice", "call.engines"):
        monkeypatch.setattr(f"voicebot.{module}.VoiceDetector", LoudIsVoice)
    async with AsyncExitStack() as opened:
        other = await Records.open(settings)
        opened.push_async_callback(other.close)
        made = []
        for own in (records, other):
            engines = scripted_engines(tmp_path, listener=CountingListener())
            service = await opened.enter_async_context(serving(settings, engines, own, monkeypatch))
            assert service.shared_lines is not None
            sharing = asyncio.create_task(service.shared_lines.run(service.waiting))
            opened.callback(sharing.cancel)
            made.append(service)
        a, b = made
        await until(lambda: a.shared_lines.in_touch and b.shared_lines.in_touch)  # type: ignore[union-attr]
        yield a, b


async def test_one_line_is_one_callers_and_then_the_riskiest_of_both_nodes(
    services: tuple[Service, Service],
) -> None:
    a, b = services
    first = await in_danger(a, 1, "救命")
    await first.in_phase(Phase.CONNECTED)
    low = await in_danger(a, 2, "救命啊")
    high = await in_danger(b, 3, "救命孩子没有呼吸了")
    await until(lambda: a.waiting.wishes(0.0) and b.waiting.wishes(0.0))
    await asyncio.sleep(17.0)
    assert POLICE not in low.dialled() + high.dialled(), "nobody dials into a full 110"
    await until(lambda: high.session.state.phase is Phase.CONNECTED, 20.0)
    assert POLICE not in low.dialled()
    await first.over()
    await until(lambda: low.session.state.phase is Phase.CONNECTED, 40.0)
    for call in (low, high):
        if not call.taking.done():
            await call.hung_up()


async def test_a_caller_who_hangs_up_leaves_110_to_the_other_node(
    services: tuple[Service, Service],
) -> None:
    a, b = services
    first = await in_danger(a, 1, "救命")
    await first.in_phase(Phase.CONNECTED)
    second = await in_danger(b, 2, "救命啊")
    await until(lambda: b.waiting.wishes(0.0))
    await first.hung_up()
    await second.in_phase(Phase.CONNECTED)
    assert POLICE in second.dialled()
    await second.hung_up()
