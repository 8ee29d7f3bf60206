"""The call page in a real browser: both ways of the sound, keys, hang-up, and faults."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from telephony.call_control import Rejection
from tests.browser.conftest import MICROPHONE_HZ, Visit
from tests.browser.service import pitch, tone
from voicebot.call.pipeline import REFUSALS

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_service_hears_the_microphone(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial("12333", caller="13800138000")
    assert (call.info.did, call.info.caller, call.info.rate) == ("12333", "13800138000", 16000)
    await asyncio.wait_for(call.heard_enough.wait(), 60)
    heard = np.concatenate(call.pcm[50:])
    assert {len(frame) for frame in call.pcm} == {320}
    assert pitch(heard, 16000) == pytest.approx(MICROPHONE_HZ, abs=3)
    await visit.meter("mic", "> 30")
    assert visit.complaints == []


async def test_the_page_plays_what_the_service_says(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    saying = asyncio.create_task(call.say("answer:a1", tone(1000, 5.0, 16000)))
    await visit.hears(1000)
    await visit.meter("bot", "> 30")
    assert "end:answer:a1" not in visit.marks  # it is still being played
    await saying
    await visit.played("end:answer:a1")
    await visit.hears(0)
    await visit.meter("bot", "=== 0")
    assert visit.marks[-2:] == ["begin:answer:a1", "end:answer:a1"]
    assert visit.complaints == []


async def test_clear_takes_back_what_was_not_yet_heard(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await call.say("answer:a1", tone(1000, 20.0, 16000), at_once=True)
    await visit.hears(1000)
    before = time.monotonic()
    await call.line.clear()
    await visit.hears(0)
    assert time.monotonic() - before < 10.0, "of twenty seconds"
    await call.say("answer:a2", tone(1500, 1.0, 16000))
    await visit.hears(1500)
    assert visit.complaints == []


async def test_keys_arrive_from_the_pad_and_from_the_keyboard(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await visit.page.click('.keys button[data-key="1"]')
    await visit.page.keyboard.press("#")
    await visit.page.keyboard.press("a")
    await visit.page.click('.keys button[data-key="0"]')
    await visit.page.wait_for_function(
        "() => document.getElementById('pressed').textContent === '1#0'"
    )
    await visit.page.click("#hangup")
    await asyncio.wait_for(call.over.wait(), 60)
    assert call.keys == ["1", "#", "0"]


async def test_a_muted_microphone_sends_silence(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await visit.page.click("#mute")
    await visit.meter("mic", "=== 0")
    call.pcm.clear()
    call.heard_enough.clear()
    await asyncio.wait_for(call.heard_enough.wait(), 60)
    assert not np.concatenate(call.pcm[20:]).any()


async def test_the_caller_hangs_up(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await visit.page.click("#hangup")
    await visit.page.wait_for_selector('body[data-state="ready"]')
    assert "您已挂断" in await visit.page.inner_text("#last")
    await asyncio.wait_for(call.over.wait(), 60)
    assert visit.sent[-1]["event"] == "stop"
    await visit.dial()  # and may call again


async def test_the_service_hangs_up(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await call.hang_up()
    await visit.page.wait_for_selector('body[data-state="ready"]')
    assert "对方已挂断" in await visit.page.inner_text("#last")
    assert await visit.page.is_hidden("#fault")


async def test_a_tab_that_is_closed_hangs_up(visit: Visit) -> None:
    await visit.ready()
    call = await visit.dial()
    await visit.page.close()
    await asyncio.wait_for(call.over.wait(), 60)


async def test_the_text_is_shown_to_who_may_read_it(visit: Visit) -> None:
    await visit.ready("admin")
    call = await visit.dial()

    def publish(kind: str, **rest: object) -> None:
        message = {"call_id": call.info.call_id, "at": 1.0, "kind": kind, **rest}
        visit.service.live.publish(message)

    publish("say", text="您好，这里是海南12345。")
    publish("hypothesis", turn=1, ear="listener", text="jiu4 ming4", final=False)
    publish("hypothesis", turn=1, ear="transcriber", text="救命", final=True)
    publish("hypothesis", turn=1, ear="listener", text="jiu4 ming4 a1", final=True)
    visit.service.live.publish({"call_id": "other", "kind": "say", "text": "别人的通话"})
    publish("transfer", destination="110-460100", state="ringing", reason="")
    await visit.page.wait_for_selector("#state.transfer")
    assert "正在转接110" in await visit.page.inner_text("#state")
    said = await visit.page.locator("#transcript li").all_inner_texts()
    assert said == ["您好，这里是海南12345。", "救命"]
    publish("transfer", destination="110-460100", state="ended", reason="busy")
    await visit.page.wait_for_selector("#state:not(.transfer)")
    assert (await visit.page.locator("#transcript .event").all_inner_texts()) == ["110：忙线"]
    assert visit.complaints == []


async def test_a_token_for_calls_alone_shows_no_text(visit: Visit) -> None:
    await visit.ready("media")
    await visit.dial()
    assert "只能通话" in await visit.page.inner_text("#note")
    assert visit.complaints == []


async def test_the_token_leaves_the_address_and_lives_in_the_tab(visit: Visit) -> None:
    await visit.ready()
    assert visit.page.url == f"{visit.server.http_url}/call"
    await visit.page.reload()
    await visit.page.wait_for_selector('body[data-state="ready"]')
    assert await visit.page.evaluate("localStorage.length + document.cookie.length") == 0
    await visit.page.click("#leave")
    assert await visit.page.evaluate("sessionStorage.length") == 0


async def test_a_wrong_token_is_explained(visit: Visit) -> None:
    await visit.page.goto(f"{visit.server.http_url}/call")
    await visit.page.fill("#token", "vb_令牌")
    await visit.page.click("#unlock button")
    assert await visit.fault() == "wrong_token"
    await visit.page.fill("#token", visit.service.records.tokens.create("media"))
    await visit.page.click("#unlock button")
    await visit.page.wait_for_selector('body[data-state="ready"]')
    assert await visit.page.is_hidden("#fault")


async def test_a_token_of_another_role_is_explained(visit: Visit) -> None:
    await visit.open("desk")
    assert await visit.fault() == "wrong_role"


async def test_a_token_revoked_meanwhile_is_explained(visit: Visit) -> None:
    await visit.ready()
    tokens = visit.service.records.tokens
    tokens.revoke(tokens.listed()[-1]["id"])
    await visit.page.click("#dial button")
    assert await visit.fault() == "wrong_token"


async def test_a_refused_microphone_is_explained(visit: Visit) -> None:
    await visit.page.context.clear_permissions()
    await visit.ready()
    await visit.page.click("#dial button")
    assert await visit.fault() == "mic_denied"


async def test_a_missing_microphone_is_explained(visit: Visit) -> None:
    await visit.page.add_init_script(
        "navigator.mediaDevices.getUserMedia = "
        "async () => { throw new DOMException('none', 'NotFoundError'); }"
    )
    await visit.ready()
    await visit.page.click("#dial button")
    assert await visit.fault() == "mic_missing"


async def test_a_page_that_may_not_use_a_microphone_says_so(visit: Visit) -> None:
    await visit.page.add_init_script(
        "Object.defineProperty(window, 'isSecureContext', { value: false })"
    )
    await visit.ready()
    await visit.page.click("#dial button")
    assert await visit.fault() == "insecure"
    assert visit.sent == []


@pytest.mark.parametrize("why", Rejection)
async def test_each_refusal_is_explained(visit: Visit, why: Rejection) -> None:
    visit.service.refusal = why
    await visit.ready()
    await visit.page.click("#dial button")
    assert await visit.fault() == why.value
    assert REFUSALS[why] not in await visit.page.inner_text("#fault")


async def test_a_lost_connection_is_explained(visit: Visit) -> None:
    sockets: list[object] = []
    await visit.page.route_web_socket(
        "**/media", lambda socket: (sockets.append(socket), socket.connect_to_server())[0]
    )
    await visit.ready()
    await visit.dial()
    await sockets[0].close(code=1011)  # type: ignore[attr-defined]
    assert await visit.fault() == "lost"


async def test_a_service_that_is_away_is_explained(visit: Visit) -> None:
    await visit.ready()
    await visit.page.route("**/api/**", lambda route: route.abort())
    await visit.page.route_web_socket("**/media", lambda socket: socket.close(code=1006))
    await visit.page.click("#dial button")
    assert await visit.fault() in ("unreachable", "lost")
    await visit.page.reload()
    assert await visit.fault() == "service_away"
