"""What legs that are joined by us hear of each other, whatever comes at a time."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.call.conference import Conference

RATE = 8000


def heard_by_110(packet_s: float, seconds: float = 1.0) -> float:
    """How much of 120's sound 110 hears, of 1, with the caller's audio in such packets."""
    clock = [0.0]
    conference = Conference(lambda: clock[0])
    conference.join("")
    conference.join("120")
    heard: list[np.ndarray] = []
    sent, frame = 0, RATE // 50
    packet = np.zeros(round(packet_s * RATE), np.int16)
    while clock[0] < seconds:
        clock[0] += packet_s
        while (sent + 1) * frame <= clock[0] * RATE:
            conference.say("120", np.full(frame, 5000, np.int16), RATE, RATE)
            sent += 1
        heard.append(conference.mixed("", packet, RATE))
    return float((np.concatenate(heard) > 4000).mean())


@pytest.mark.parametrize("packet_s", [0.01, 0.02, 0.03, 0.05, 0.1])
def test_legs_hear_each_other_whatever_the_callers_packets_are(packet_s: float) -> None:
    assert heard_by_110(packet_s) > 0.85


def test_who_has_left_is_heard_no_more() -> None:
    conference = Conference(lambda: 0.0)
    conference.join("")
    conference.say("120", np.full(1600, 5000, np.int16), RATE, RATE)
    conference.leave("120")
    assert not conference.mixed("", np.zeros(800, np.int16), RATE).any()
