"""Silence is told as the caller meets it."""

import pytest

from flows.events import Silence
from voicebot.call.silence import SilenceWatch


def told(
    seconds: float, *, bot_until: float = 0.0, voice_until: float = 0.0, far_until: float = 0.0
) -> list[Silence]:
    """Looks twenty times a second, for so long; each party sounds until its time."""
    watch, events = SilenceWatch(), []
    for tick in range(round(seconds * 20) + 1):
        now = tick / 20
        event = watch.look(
            now,
            speaking=now < bot_until,
            voiced_at=min(now, voice_until),
            far_side_at=min(now, far_until) if far_until else float("-inf"),
        )
        if event is not None:
            events.append(event)
    return events


def test_silence_is_told_at_2_4_s_and_every_0_6_s_after_that() -> None:
    events = told(8.0, bot_until=2.0)
    assert [event.seconds for event in events] == pytest.approx(
        [2.4, 3.0, 3.6, 4.2, 4.8, 5.4, 6.0], abs=0.06
    )
    assert not any(event.talking for event in events)


def test_any_party_s_sound_is_no_silence() -> None:
    assert told(5.0, bot_until=9.0) == []
    assert told(5.0, far_until=9.0) == []


def test_a_caller_who_talks_on_is_told_apart() -> None:
    events = told(5.0, voice_until=9.0)
    assert [round(event.seconds, 1) for event in events] == [2.4, 3.0, 3.6, 4.2, 4.8]
    assert all(event.talking for event in events)


def test_a_caller_who_falls_silent_starts_anew() -> None:
    events = told(8.0, voice_until=3.0)
    kinds = [event.talking for event in events]
    assert kinds == sorted(kinds, reverse=True)
    assert [round(event.seconds, 1) for event in events if not event.talking] == [
        2.4,
        3.0,
        3.6,
        4.2,
        4.8,
    ]
