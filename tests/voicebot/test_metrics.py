"""/metrics: what a whole call, a refused one and the database leave in it, and what never."""

from __future__ import annotations

import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.state import Phase
from telephony.call_control import CallInfo, Rejection
from telephony.scripted import ScriptedLine
from tests.voicebot.test_session import (
    ANSWERS,
    CALLER,
    POLICE,
    called,
    desk_url,
    engines,
    offered,
    options,
    service,
    settings,
)
from voicebot.app import Service
from voicebot.metrics.backlog import Waiting, backlog
from voicebot.metrics.exposition import exposition

__all__ = ["desk_url", "engines", "options", "service", "settings"]

pytestmark = pytest.mark.leaping_time

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(service: Service) -> str:
    waiting = await service.records.read(backlog, time.time())
    return exposition(service.metrics, service.standing, waiting).decode()


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"voicebot_{name}", frozenset(labels.items())), 0.0)


async def test_a_call_in_danger_is_seen_from_its_words_to_the_person_at_110(
    service: Service,
) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = ANSWERS
    call = await called(service, line)
    call.says("救命")
    await call.in_phase(Phase.CONNECTED)
    during = samples(await scraped(service))
    assert value(during, "calls") == 1
    assert value(during, "calls_by_phase", phase="connected") == 1
    assert value(during, "handoffs_open", to="110", state="confirmed") == 1
    assert value(during, "outgoing_lines") == 1
    assert value(during, "stage_seconds_count", stage="handoff") == 1
    assert value(during, "handoff_person_seconds_count", to="110") == 1
    await call.hung_up()
    after = samples(await scraped(service))
    assert value(after, "calls") == 0
    assert value(after, "calls_answered_total", trunk="public") == 1
    assert value(after, "calls_ended_total", outcome="handed_off") == 1
    assert value(after, "triage_calls_total", route="110_now") == 1
    for state in ("requested", "ringing", "answered", "confirmed"):
        assert value(after, "handoff_legs_total", to="110", state=state) == 1
    assert value(after, "calls_routed_total", line="12345", destination="bot",
                 reason="figures_unknown") == 1  # fmt: skip


async def test_a_refused_call_is_counted_by_its_reason(service: Service) -> None:
    await service.drain()
    await service.take(ScriptedLine(offered()))
    found = samples(await scraped(service))
    assert value(found, "calls_refused_total", reason=Rejection.STOPPING.value) == 1
    assert value(found, "stopping") == 1


async def test_what_waits_for_110_is_seen_with_its_age(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = ANSWERS
    call = await called(service, line)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    await call.hung_up()
    waiting = await service.records.read(backlog, time.time() + 60)
    assert waiting.queues["dossiers"].count >= 1  # nobody delivers here
    assert waiting.queues["dossiers"].oldest_s >= 60
    assert waiting.queues["inbox"] == Waiting(0, 0.0)


async def test_a_database_that_does_not_answer_costs_only_its_own_figures(
    service: Service,
) -> None:
    found = samples(exposition(service.metrics, service.standing, None).decode())
    assert value(found, "backlog_known") == 0
    assert not any(name.startswith("voicebot_backlog_oldest") for name, _ in found)
    assert value(found, "calls_room") == service.settings.admission.calls


async def test_no_label_says_who_called_or_what_was_said(service: Service) -> None:
    line = ScriptedLine(CallInfo("call-of-wang", CALLER, "12345"))
    line.desks[POLICE] = ANSWERS
    call = await called(service, line)
    call.says("救命我在和平大道三号楼身份证460100199001011234")
    await call.in_phase(Phase.CONNECTED)
    text = await scraped(service)
    await call.hung_up()
    text += await scraped(service)
    for planted in ("call-of-wang", CALLER, "救命", "和平大道", "460100199001011234"):
        assert planted not in text
    lines = {line.did for line in service.settings.lines}
    for name, labels in samples(text):
        for label, said in labels:
            if label == "line":
                assert said in lines, name
            elif label not in ("le", "quantile"):
                assert re.fullmatch(r"[a-z_]+|110|110_now|119|120|122|12395|12345", said), name
