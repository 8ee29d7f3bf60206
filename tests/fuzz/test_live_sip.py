"""Malformed SIP and RTP leave the running front, its processes and a call alone."""

from __future__ import annotations

from tests.fuzz.live_sip import fuzz_live


async def test_a_call_goes_on_while_others_send_what_no_telephone_would() -> None:
    found = await fuzz_live(seconds=4.0, seed=1)
    assert not found.crash, found.crash
    assert found.examples > 400
