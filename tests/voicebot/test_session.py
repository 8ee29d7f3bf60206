"""Whole calls through the service, on the scripted endpoint: what line, legs and records saw.

Everything is real but the models and the clock: voices are noise, a voice is what is loud,
words are counted by the loudness, and the dialogue's triage goes by keywords.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from asr.hypothesis import Hypothesis
from asr.pool import DecodePool
from flows import events as ev
from flows.prompts import load_prompts
from flows.state import Phase
from telephony.call_control import CallInfo, Capability, Rejection, Trunk
from telephony.codecs import Int16
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.leg_state import LegState
from telephony.scripted import ScriptedLine
from telephony.scripted_desk import (
    Answer,
    Busy,
    HangUp,
    Lose,
    Press,
    Ring,
    Say,
    ScriptedLeg,
    Step,
    TakeOver,
    Wait,
)
from tests.flows.scripted_call import SCRIPTED_TRIAGE
from tests.voicebot.ear_doubles import CountingStream, LoudIsVoice
from voicebot.app import Service
from voicebot.call.audio_library import AudioLibrary
from voicebot.call.ears import Ears
from voicebot.call.engines import Engines
from voicebot.call.intake import BEHIND_S
from voicebot.call.recorder import CallRecorder
from voicebot.call.session import CallSession
from voicebot.call.voices.sound import Speech
from voicebot.commands.replay import compare
from voicebot.config import Settings, load_settings
from voicebot.knowledge import unreadable
from voicebot.records.store import Records

pytestmark = pytest.mark.leaping_time

CALLER = "13800138000"
POLICE, SEAT = "110-460000", "seat"
BOT, OFFICER = 1500, 6000
"""Amplitudes, to tell the one from the other."""


def noise(seconds: float, amplitude: int, rate: int = 8000) -> Int16:
    sound = np.random.default_rng(1).uniform(-amplitude, amplitude, round(seconds * rate))
    return sound.astype(np.int16)


OFFICER_SPEAKS = Say(noise(1.0, OFFICER))
ANSWERS: tuple[Step, ...] = (Ring(), Wait(0.05), Answer(), OFFICER_SPEAKS)


class CountingListener:
    name = "counting"

    def stream(self) -> CountingStream:
        return CountingStream()

    def transcribe(self, pcm: Any) -> Hypothesis:
        return Hypothesis("counting")


class NoiseVoice:
    name = voice = "noise"

    def render(self, text: str) -> Speech:
        return Speech(noise(0.3, BOT), 8000)


class Embedder:
    def embed(self, texts: Sequence[str]) -> Any:
        return np.ones((len(texts), 2), np.float32)


@pytest.fixture
def options() -> str:
    """Settings of a test, beside those of all."""
    return ""


@pytest.fixture
def desk_url() -> str:
    return "trunk:police/{number}"


@pytest.fixture
def settings(tmp_path: Path, desk_url: str, options: str) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(
        f"""
[paths]
state = "{tmp_path / "state"}"
[handoff]
desk_url = "{desk_url}"
seat_url = "trunk:seats/{{number}}"
answer_timeout_s = 1.0
confirm_timeout_s = 3.0
{options}
"""
    )
    return load_settings(file)


def scripted_engines(folder: Path, *, listener: Any = None, transcriber: Any = None) -> Engines:
    """Engines around these ears that load nothing and speak noise."""
    return Engines(
        listener=listener,
        transcriber=transcriber,
        pool=DecodePool(ThreadPoolExecutor(1)),
        ear_executor=ThreadPoolExecutor(1),
        far_executor=ThreadPoolExecutor(1),
        work_executor=ThreadPoolExecutor(1),
        smart_turn=None,
        embedder=Embedder(),  # type: ignore[arg-type]
        triage=SCRIPTED_TRIAGE,
        knowledge=unreadable(),
        library=AudioLibrary(folder / "audio", NoiseVoice()),
        prompts=load_prompts(),
    )


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return scripted_engines(tmp_path, listener=CountingListener())


@asynccontextmanager
async def serving(
    settings: Settings, engines: Engines, records: Records, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """A service whose calls go by the event loop's clock."""
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr("voicebot.call.session.time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(
        "voicebot.call.journal.time",
        SimpleNamespace(time=lambda: 1_790_000_000.0 + clock(), monotonic=clock),
    )
    made = Service(settings, engines, records, await records.duty_directory(), None)
    pool = asyncio.create_task(engines.pool.run())
    yield made
    for session in made._sessions.values():  # of a test that failed
        session._ended.set()
    await made.ended()
    await made.call_backs.close()
    pool.cancel()


@pytest.fixture
async def service(
    settings: Settings, engines: Engines, records: Records, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    for module in ("engines", "voice"):
        monkeypatch.setattr(f"voicebot.call.{module}.VoiceDetector", LoudIsVoice)
    async with serving(settings, engines, records, monkeypatch) as made:
        yield made


def offered(call: str = "c-1", **given: Any) -> CallInfo:
    return CallInfo(call, given.pop("caller", CALLER), "12345", **given)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what tests wait for has no event
            await asyncio.sleep(0.01)


class Running:
    """A call that is being served."""

    def __init__(self, service: Service, line: ScriptedLine) -> None:
        self.service, self.line = service, line
        self.taking = asyncio.create_task(service.take(line))

    async def greeted(self) -> Running:
        await until(lambda: self.line.played)
        return self

    @property
    def session(self) -> CallSession:
        return self.service._sessions[self.line.info.call_id]

    def leg(self, number: str) -> ScriptedLeg:
        """The newest one to a number."""
        return next(leg for leg in reversed(self.line.legs) if leg.number.number == number)

    def dialled(self) -> list[str]:
        return [leg.number.number for leg in self.line.legs]

    def says(self, text: str, turn: int = 1) -> None:
        """The words of the caller, as the transcriber would give them."""
        now = self.session.now()
        self.session._post(ev.CallerSpeaking(now, turn))
        self.session._post(ev.Heard(now, turn, ev.Ear.TRANSCRIBER, text, final=True))
        self.session._post(ev.TurnEnded(now, turn))

    async def in_phase(self, phase: Phase) -> None:
        await until(lambda: self.session._state.phase is phase)

    async def over(self) -> dict[str, Any]:
        """Its record, once it is closed."""
        async with asyncio.timeout(15):
            await self.taking
        record = await self.service.records.call(self.line.info.call_id)
        assert record is not None
        assert record["ended_at"] is not None
        return record

    async def hung_up(self) -> dict[str, Any]:
        self.line.caller_hangs_up()
        return await self.over()


async def called(service: Service, line: ScriptedLine) -> Running:
    return await Running(service, line).greeted()


async def handoff(service: Service, name: str = "c-1-h1") -> dict[str, Any]:
    found = await service.records.handoff(name)
    assert found is not None
    return found


async def said(service: Service, call: str = "c-1") -> list[str]:
    rows = await service.records.events(call)
    return [row["payload"]["prompt"] for row in rows if row["kind"] == "Say"]


def loudest(pcm: Int16) -> int:
    return int(np.abs(pcm.astype(int)).max(initial=0))


# ── 110 and those beside it ───────────────────────────────────────────────────────


async def test_key_1_brings_110_into_the_call(service: Service, settings: Settings) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = ANSWERS
    call = await called(service, line)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    leg = call.leg(POLICE)
    assert (leg.start_params["caller"], leg.start_params["handoff"]) == (CALLER, "c-1-h1")
    assert service.occupancy.lines == 1
    assert (await call.hung_up())["outcome"] == "handed_off"
    assert leg.state is LegState.ENDED
    assert (await handoff(service))["state"] == "confirmed"
    assert "connecting_110" in await said(service)
    # The endpoint plays 110 to the caller; here it is only recorded.
    assert loudest(line.heard()) <= BOT
    pcm, _ = sf.read(settings.paths.state / "recordings" / "c-1.wav", dtype="int16")
    assert loudest(pcm[:, 1]) > 0.8 * OFFICER


async def test_what_110_says_is_on_record_from_its_first_word(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = (*ANSWERS, Wait(1.0), OFFICER_SPEAKS)
    call = await called(service, line)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    await asyncio.sleep(3.5)
    record = await call.hung_up()
    first, second = [turn for turn in record["turns"] if turn["side"] == "110"]
    assert first["text"].startswith("妈妈")
    assert second["start"] - first["start"] == pytest.approx(2.0, abs=0.4)
    dossier = (await handoff(service))["dossier"]
    assert [turn["side"] for turn in dossier["transcript"]].count("110") == 2


async def test_the_next_route_has_the_caller_of_a_busy_110(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks |= {POLICE: (Busy(),), SEAT: ANSWERS}
    call = await called(service, line)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    assert call.dialled() == [POLICE, SEAT]
    assert (await call.hung_up())["outcome"] == "human"
    assert "next_route" in await said(service)


async def test_the_next_route_has_the_caller_whose_110_breaks_off(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks |= {POLICE: (*ANSWERS, Wait(1.0), Lose()), SEAT: ANSWERS}
    call = await called(service, line)
    line.press("1")
    await until(lambda: call.dialled() == [POLICE, SEAT])
    await call.in_phase(Phase.CONNECTED)
    assert line.hang_ups == 0
    await call.hung_up()


async def test_120_has_the_caller_while_110_never_answers(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks["120"] = ANSWERS
    call = await called(service, line)
    call.says("孩子晕倒了")
    await until(lambda: set(call.dialled()) >= {POLICE, "120"})
    await call.in_phase(Phase.CONNECTED)
    assert call.session._state.reached == "120"
    await until(lambda: SEAT in call.dialled())  # and 110's chain goes on behind their backs
    assert call.leg("120").off_hook
    assert (await call.hung_up())["outcome"] == "handed_off"
    assert (await handoff(service))["dossier"]["line_states"] == {"120": "confirmed"}


async def test_a_number_that_the_directory_gets_during_a_call_is_dialled(
    service: Service, records: Records
) -> None:
    line = ScriptedLine(offered())
    line.desks["120-new"] = ANSWERS
    call = await called(service, line)
    known = tuple(await records.duty_directory())
    newer = DutyNumber("120-new", "120", "460000", "trunk:police/120", "省急救")
    service.take_directory(DutyDirectory((*known, newer)))
    call.says("孩子晕倒了")
    await until(lambda: set(call.dialled()) >= {POLICE, "120-new"})
    await call.hung_up()


async def test_legs_that_no_endpoint_joins_hear_each_other(service: Service) -> None:
    line = ScriptedLine(offered(), bridged=False)
    line.desks |= {POLICE: ANSWERS, "120": (Ring(), Answer(), Wait(1.5), Say(noise(1.0, 4000)))}
    call = await called(service, line)
    call.says("孩子晕倒了")
    await until(lambda: POLICE in call.dialled() and call.leg(POLICE).sent)
    await until(lambda: loudest(np.concatenate(call.leg(POLICE).sent)) > 3000)
    await until(lambda: loudest(line.heard()) > 0.8 * OFFICER)  # so does the caller
    await call.hung_up()


async def test_the_call_goes_on_when_110_gives_it_back(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = (*ANSWERS, Wait(1.0), Press("*"))
    call = await called(service, line)
    call.says("我在三亚孩子晕倒")
    await call.in_phase(Phase.CONNECTED)
    await call.in_phase(Phase.LISTENING)
    await until(lambda: all(leg.state is LegState.ENDED for leg in line.legs))
    heard = len(line.played)
    await until(lambda: len(line.played) > heard)
    assert line.hang_ups == 0
    assert (await call.hung_up())["outcome"] == "handed_off"
    assert (await said(service))[-1] == "handed_back"
    kept = await handoff(service)
    assert kept["state"] == "ended"
    dossier = kept["dossier"]
    assert (dossier["lines"], dossier["line_states"]) == (["120"], {"120": "ended"})
    assert dossier["flags"] == ["child"]
    assert "110按键移交回12345" in dossier["notes"]


@pytest.mark.parametrize("desk_url", ["trunk:police/{number}?transfer=blind"])
async def test_a_blind_transfer_is_not_hung_up(service: Service, desk_url: str) -> None:
    can = frozenset({Capability.LEGS, Capability.OUTLIVES_US, Capability.BLIND_TRANSFER})
    line = ScriptedLine(offered(), capabilities=can)
    line.desks[POLICE] = (Ring(), Wait(0.3), TakeOver())
    call = await called(service, line)
    line.press("1")
    await until(lambda: line.legs and line.legs[-1].state is LegState.ENDED)
    await until(lambda: call.session._ended.is_set())
    assert (await call.hung_up())["outcome"] == "handed_off"  # the far side's BYE
    assert line.hang_ups == 0


# ── the other direction ───────────────────────────────────────────────────────────


async def test_a_call_from_110_goes_ahead_with_its_order(service: Service) -> None:
    line = ScriptedLine(offered(trunk=Trunk.POLICE, order="JD2026"))
    call = await called(service, line)
    line.press("0")
    await until(lambda: SEAT in call.dialled())
    seat = call.leg(SEAT)
    await until(lambda: seat.start_params)
    assert (seat.start_params["priority"], seat.start_params["order"]) == ("110", "JD2026")
    await call.hung_up()
    assert (await said(service))[0] == "from_110"
    assert (await handoff(service))["dossier"]["order"] == "JD2026"


# ── ends ──────────────────────────────────────────────────────────────────────────


async def test_a_caller_who_hangs_up_while_110_rings(service: Service) -> None:
    line = ScriptedLine(offered())
    line.desks["120"] = (Ring(), Answer())
    call = await called(service, line)
    call.says("孩子晕倒了")
    await until(lambda: set(call.dialled()) == {POLICE, "120"} and call.leg("120").off_hook)
    assert (await call.hung_up())["outcome"] == "abandoned"
    assert all(leg.state is LegState.ENDED for leg in line.legs)
    assert service.occupancy.calls == service.occupancy.lines == 0
    dossier = (await handoff(service))["dossier"]
    assert "interrupted" in dossier["flags"]
    assert "中断" in dossier["notes"]


async def last_note(service: Service) -> str:
    """What became of calling back, once it is in the order."""
    async with asyncio.timeout(30):
        while (found := (await handoff(service))["dossier"]["notes"][-1]) == "中断":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return str(found)


CALLS_OUT = frozenset({Capability.LEGS, Capability.CALLS_OUT})


@pytest.mark.parametrize("options", ["call_back_trunk = 'carrier'"])
async def test_who_hangs_up_in_danger_is_called_back_and_put_through_to_110(
    service: Service, options: str
) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    line.desks[POLICE] = (Ring(), Answer())
    line.ends_of_calls_out = ["busy"]
    call = await called(service, line)
    call.says("孩子晕倒了")
    await until(lambda: POLICE in call.dialled() and call.leg(POLICE).off_hook)
    await call.hung_up()
    assert len(call.leg(POLICE).sent) >= 10, "110 is told by voice"
    async with asyncio.timeout(30):
        while len(line.calls_out) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert line.calls_out[-1] == ("carrier", CALLER, "12345", "c-1-h1")
    assert (await handoff(service))["dossier"]["notes"] == ["中断", "第1次回拨：占线"]


@pytest.mark.parametrize("options", ["call_back_trunk = 'carrier'"])
async def test_110_is_told_to_the_end_while_the_number_is_called(
    service: Service, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    line.desks[POLICE] = (Ring(), Answer())
    call = await called(service, line)
    call.says("孩子晕倒了")
    await until(lambda: POLICE in call.dialled() and call.leg(POLICE).off_hook)
    monkeypatch.setattr(NoiseVoice, "render", lambda *_: Speech(noise(6.0, BOT), 8000))
    line.caller_hangs_up()
    await until(lambda: line.calls_out)
    assert service.occupancy.calls == 1, "110 is still being told"
    await call.over()
    assert len(call.leg(POLICE).sent) >= 300, "6 s, which is longer than the time to confirm"


@pytest.mark.parametrize("options", ["call_back_trunk = 'carrier'"])
async def test_the_answered_call_back_is_a_call_of_its_own_for_110(
    service: Service, options: str
) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    call = await called(service, line)
    call.says("孩子晕倒了")
    await call.in_phase(Phase.HANDING_OFF)
    back = ScriptedLine(offered("c-2", called="c-1-h1"), capabilities=CALLS_OUT)
    back.desks[POLICE] = ANSWERS

    async def answered(*_: Any, ring_s: float) -> None:
        again = await called(service, back)
        await again.in_phase(Phase.CONNECTED)
        done.append(await again.hung_up())

    done: list[dict[str, Any]] = []
    line.call_out = answered  # type: ignore[method-assign]
    await call.hung_up()
    await until(lambda: done, 30)
    assert done[0]["outcome"] == "handed_off"
    assert "call_back_110" in await said(service, "c-2")
    assert (await handoff(service, "c-2-h1"))["dossier"]["evidence"] == ["call_back：c-1-h1"]
    assert await last_note(service) == "第1次回拨已接通，正在转110"


@pytest.mark.parametrize("options", ["call_back_trunk = 'carrier'"])
async def test_an_answered_call_back_that_is_refused_is_not_noted_as_put_through(
    service: Service, options: str
) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    call = await called(service, line)
    call.says("孩子晕倒了")
    await call.in_phase(Phase.HANDING_OFF)
    back = ScriptedLine(offered("c-2", called="c-1-h1"), capabilities=CALLS_OUT)

    async def answered(*_: Any, ring_s: float) -> None:
        service._admission.stop()
        await service.take(back)

    line.call_out = answered  # type: ignore[method-assign]
    await call.hung_up()
    assert await last_note(service) == "第1次回拨有人接听，但没有转到110，请110回拨"
    assert back.rejected is Rejection.STOPPING


@pytest.mark.parametrize("options", ["call_back_trunk = 'carrier'"])
async def test_who_calls_again_is_not_called_back(service: Service, options: str) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    call = await called(service, line)
    call.says("孩子晕倒了")
    await call.in_phase(Phase.HANDING_OFF)
    again = ScriptedLine(offered("c-2"))
    await called(service, again)
    await call.hung_up()
    assert await last_note(service) == "来电人已再次打进来，不再回拨"
    assert line.calls_out == []
    again.caller_hangs_up()


async def test_without_a_trunk_110_is_asked_to_call_back(service: Service) -> None:
    line = ScriptedLine(offered(), capabilities=CALLS_OUT)
    call = await called(service, line)
    call.says("孩子晕倒了")
    await call.in_phase(Phase.HANDING_OFF)
    await call.hung_up()
    assert "这条线路不能自动回拨，请110回拨" in (await handoff(service))["dossier"]["notes"]


@pytest.mark.parametrize(
    ("desk", "outcome"), [((Ring(),), "human"), (ANSWERS, "handed_off")], ids=["rings", "talks"]
)
@pytest.mark.parametrize("options", ["[admission]\ndrain_s = 0.1"])
async def test_a_service_that_stops_leaves_the_caller_to_the_endpoint(
    service: Service, desk: tuple[Step, ...], outcome: str, options: str
) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = desk
    call = await called(service, line)
    line.press("1")
    talks = outcome == "handed_off"
    await call.in_phase(Phase.CONNECTED if talks else Phase.HANDING_OFF)
    await service.drain()
    record = await call.over()
    assert line.released
    assert line.hang_ups == 0
    assert record["outcome"] == outcome
    assert "interrupted" not in (await handoff(service))["dossier"]["flags"]


async def test_a_ticket_that_is_written_after_the_caller_is_gone_counts(
    service: Service, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = records.save_ticket

    async def slowly(ticket: Mapping[str, Any]) -> bool:
        await asyncio.sleep(0.3)
        return await save(ticket)

    monkeypatch.setattr(records, "save_ticket", slowly)
    line = ScriptedLine(offered())
    line.desks[SEAT] = (Busy(),)
    call = await called(service, line)
    line.press("0")
    await call.in_phase(Phase.TICKET_MATTER)
    assert (await call.hung_up())["outcome"] == "ticket"


async def test_the_record_is_closed_though_the_recording_cannot_be(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = CallRecorder.close

    def full(self: CallRecorder) -> None:
        close(self)
        raise OSError("no space left on device")

    monkeypatch.setattr(CallRecorder, "close", full)
    call = await called(service, ScriptedLine(offered()))
    assert (await call.hung_up())["outcome"] == "abandoned"


class NotHungUp(ScriptedLine):
    async def hang_up(self) -> None:
        self.hang_ups += 1
        self._gone.set()  # the far side has heard it, and nobody tells us
        raise OSError("broken pipe")


async def test_a_line_that_cannot_be_hung_up_ends_the_call(service: Service) -> None:
    line = NotHungUp(offered())
    line.desks[SEAT] = (*ANSWERS, Wait(1.0), HangUp())
    call = await called(service, line)
    line.press("0")
    assert (await call.over())["outcome"] == "human"


async def test_a_caller_whom_we_cannot_serve_stays_with_the_endpoint(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("voicebot.call.engines.VoiceDetector", broken)
    line = ScriptedLine(offered())
    with pytest.raises(RuntimeError):
        await service.take(line)
    assert line.hang_ups == 0
    assert service.occupancy.calls == 0


# ── faults on the way to 110 ──────────────────────────────────────────────────────


class Faulty(ScriptedLine):
    """An endpoint with one fault."""

    def __init__(self, info: CallInfo, fault: str) -> None:
        super().__init__(info)
        self.fault = fault

    def new_leg(self, number: DutyNumber, *, answer_timeout_s: float) -> ScriptedLeg:
        if number.kind == "110" and self.fault == "new_leg":
            raise RuntimeError(self.fault)
        leg = super().new_leg(number, answer_timeout_s=answer_timeout_s)
        if number.kind == "110" and self.fault in ("connect", "connect_hangs"):

            async def connect(*_: Any) -> None:
                if self.fault == "connect_hangs":
                    await asyncio.Event().wait()
                raise RuntimeError(self.fault)

            leg.connect = connect  # type: ignore[method-assign]
        return leg

    async def send_audio(self, pcm: Int16) -> None:
        if self.fault == "send":
            raise OSError("broken pipe")
        await super().send_audio(pcm)

    async def clear(self) -> None:
        if self.fault == "clear":
            raise OSError("broken pipe")
        if self.fault == "clear_hangs":
            await asyncio.Event().wait()
        await super().clear()


async def test_what_was_said_while_the_ears_were_behind_is_on_record_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up, hear = asyncio.Event(), Ears.feed

    async def stuck(ears: Ears, pcm: Int16) -> None:
        await catch_up.wait()
        await hear(ears, pcm)

    monkeypatch.setattr(Ears, "feed", stuck)
    line = ScriptedLine(offered())
    line.desks[SEAT] = ANSWERS
    call = await called(service, line)
    await line.say(noise(1.0, 6000))
    await until(lambda: SEAT in call.dialled(), seconds=20)
    await call.in_phase(Phase.CONNECTED)
    catch_up.set()
    record = await call.hung_up()
    assert (record["outcome"], record["handoffs"][0]["reason"]) == ("human", "no_recogniser")
    (turn,) = [turn for turn in record["turns"] if turn["side"] == "caller"]
    assert turn["text"].startswith("妈妈")
    assert turn["end"] < BEHIND_S


@pytest.mark.parametrize("fault", ["new_leg", "connect", "connect_hangs"])
async def test_a_leg_that_cannot_be_dialled_fails_over(
    service: Service, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.call.handoff.OVERDUE_S", 0.2)
    line = Faulty(offered(), fault)
    line.desks[SEAT] = ANSWERS
    call = await called(service, line)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    assert call.dialled()[-1] == SEAT
    await call.hung_up()


@pytest.mark.parametrize("fault", ["send", "clear", "clear_hangs"])
async def test_a_line_that_takes_no_sound_is_handed_to_110_all_the_same(
    service: Service, fault: str
) -> None:
    line = Faulty(offered(), fault)
    line.desks[POLICE] = ANSWERS
    call = Running(service, line)
    await until(lambda: service._sessions and call.session._state.speaking)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    assert (await call.hung_up())["outcome"] == "handed_off"


@pytest.mark.parametrize("method", ["note", "dossier"])
async def test_what_cannot_be_put_on_record_is_done_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    line = ScriptedLine(offered())
    line.desks[POLICE] = ANSWERS
    call = await called(service, line)
    journal = call.session._journal
    original = getattr(journal, method)

    def broken(*arguments: Any) -> Any:
        original(*arguments)
        raise ValueError("not to be written")

    monkeypatch.setattr(journal, method, broken)
    line.press("1")
    await call.in_phase(Phase.CONNECTED)
    await call.hung_up()


@pytest.mark.leaping_time(False)
async def test_a_database_that_hangs_keeps_nobody_from_being_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.records.store.ASKED_S", 0.1)
    free = threading.Event()
    for query in ("known", "last_region"):
        monkeypatch.setattr(f"voicebot.records.reading.{query}", lambda *_: free.wait(10))
    try:
        call = await called(service, ScriptedLine(offered()))
    finally:
        free.set()
    await call.hung_up()


# ── admission ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", ["[admission]\ncalls = 1\nretry_after_s = 7"])
async def test_a_full_service_says_when_to_try_again(service: Service, options: str) -> None:
    call = await called(service, ScriptedLine(offered()))
    second = ScriptedLine(offered("c-2", caller="13900139000"))
    await service.take(second)
    assert (second.rejected, second.retry_after_s) == (Rejection.FULL, 7)
    assert not second.answered
    police = await called(service, ScriptedLine(offered("c-3", trunk=Trunk.POLICE)))
    await police.hung_up()
    await call.hung_up()


@pytest.mark.parametrize("options", ["[admission]\nhandoff_lines = 3\nhandoff_reserve = 2"])
async def test_calls_are_answered_only_while_lines_for_hand_offs_are_left(
    service: Service, options: str
) -> None:
    line = ScriptedLine(offered())
    call = await called(service, line)
    line.press("1")
    await until(lambda: line.legs)
    second = ScriptedLine(offered("c-2"))
    await service.take(second)
    assert second.rejected is Rejection.FULL
    await call.hung_up()
    third = await called(service, ScriptedLine(offered("c-3")))
    await third.hung_up()


# ── the record ────────────────────────────────────────────────────────────────────


async def test_a_call_replays_from_its_record(service: Service, records: Records) -> None:
    line = ScriptedLine(offered())
    line.desks |= {POLICE: (*ANSWERS, Wait(1.0), Press("*")), "120": (Busy(),)}
    call = await called(service, line)
    call.says("孩子晕倒了")
    await call.in_phase(Phase.CONNECTED)
    await call.in_phase(Phase.LISTENING)
    call.says("还有路灯坏了", 2)
    await until(lambda: call.session._state.turn and call.session._state.turn.number == 2)
    await call.hung_up()

    def embed(texts: tuple[str, ...]) -> dict[str, Any]:
        return {text: np.ones(2, np.float32) for text in texts}

    rows = await records.events("c-1")
    differing = [each for each in compare(rows, service._policy, embed) if not each.same]
    assert differing == []
