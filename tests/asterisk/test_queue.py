"""Callers given to people unanswered, and what Asterisk tells of their queue."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telephony.asterisk.offer import AsteriskOffer
from telephony.call_control import DivertibleCall, IncomingCall, QueueState
from tests.asterisk.bot import Bot, access_to, wait_until
from tests.asterisk.pbx import CARRIER_PORTS, Pbx
from tests.asterisk.phones import Phone, answered, answers, rings_for_ever, tone_wav

SEAT_HZ = 500


class Divider(Bot):
    """Looks at the queue of each call, gives it to people, and notes what becomes of it."""

    queue_name, trunk, call_back = "agents", "seats", False

    def __init__(self, pbx: Pbx) -> None:
        super().__init__(access_to(pbx))
        self.states: queue.Queue[QueueState | None] = queue.Queue()
        self.told: queue.Queue[str] = queue.Queue()

    async def _take(self, offer: IncomingCall) -> None:
        self.offers.append(offer)
        assert isinstance(offer, DivertibleCall)
        assert isinstance(offer, AsteriskOffer)
        self.states.put(await offer.queue_state(self.queue_name, self.trunk))
        await offer.divert("", "460100", call_back=self.call_back)
        self.told.put(await offer.diverted_to())
        await offer.closed()
        self.told.put("closed")


@pytest.fixture
def divider(pbx: Pbx) -> Iterator[Divider]:
    with Divider(pbx) as divider:
        yield divider


def test_a_diverted_caller_talks_to_a_seat_and_is_followed_to_the_end(
    divider: Divider, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ)
    assert divider.states.get(timeout=10) == QueueState(8, 8, 0)
    assert divider.told.get(timeout=30) == "met"
    caller.hang_up()
    assert divider.told.get(timeout=30) == "closed"
    assert divider.endpoint.offered == 0


def test_a_seat_that_was_quicker_than_the_subscription_is_found(
    divider: Divider, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ)
    assert divider.told.get(timeout=30) == "met"
    (offer,) = divider.offers
    assert isinstance(offer, AsteriskOffer)
    offer._met.clear()
    divider.do(offer._follow_on())
    assert offer._met.is_set()


def test_who_hangs_up_before_a_seat_answers_was_gone_before(
    divider: Divider, caller: Phone, seats: Phone
) -> None:
    seats.script(*rings_for_ever())
    caller.call("12345", steps=(answered(),))
    seats.wait_for("incoming")
    caller.hang_up()
    assert [divider.told.get(timeout=30) for _ in range(2)] == ["gone", "closed"]


def test_a_busy_seat_is_not_free_though_the_trunk_takes_more(
    divider: Divider, caller: Phone, seats: Phone, tmp_path: Path, new_phone: Callable[[int], Phone]
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ)
    other = new_phone(CARRIER_PORTS[1])
    other.call("12345", steps=(answered(),))
    assert [divider.states.get(timeout=10) for _ in range(2)] == [
        QueueState(8, 8, 0),
        QueueState(8, 7, 0),
    ]


def test_a_queue_that_is_not_there_is_unknown(divider: Divider, caller: Phone) -> None:
    divider.queue_name = "nobody"
    caller.call("12345", steps=(answered(),))
    assert divider.states.get(timeout=10) is None


def test_the_service_may_end_and_the_caller_stays_with_the_seat(
    pbx: Pbx, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    with Divider(pbx) as divider:
        caller.call("12345", steps=(answered(),))
        caller.wait_until_tone(SEAT_HZ)
        assert divider.told.get(timeout=30) == "met"
    ended = time.monotonic()
    caller.wait_until_heard(
        lambda heard: heard.end > ended + 1 and heard.between(ended).has_tone(SEAT_HZ, 0.8)
    )
    assert not caller.seen("ended")


def test_without_the_words_about_a_call_back_the_queue_has_the_caller_all_the_same(
    divider: Divider, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    divider.call_back = True
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ)
    assert divider.told.get(timeout=30) == "met"


@pytest.fixture
def impatient_queue(pbx: Pbx) -> Iterator[None]:
    """It tries seats for 3 s, not for 30."""
    file = pbx.config / "extensions.conf"
    deployed = file.read_text("utf-8")
    assert deployed.count(",,,30)") == 1
    file.write_text(deployed.replace(",,,30)", ",,,3)"), "utf-8")
    pbx.cli("dialplan reload")
    yield
    file.write_text(deployed, "utf-8")
    pbx.cli("dialplan reload")


@pytest.mark.usefixtures("impatient_queue")
def test_whom_no_seat_answers_in_time_is_offered_again(
    divider: Divider, caller: Phone, seats: Phone
) -> None:
    seats.script(*rings_for_ever())
    caller.call("12345", steps=(answered(),))
    assert [divider.told.get(timeout=60) for _ in range(2)] == ["returned", "closed"]
    wait_until(lambda: len(divider.offers) == 2)
    assert divider.offers[1].info.waited
    assert divider.offers[1].info.did == "12345"
    assert divider.states.get(timeout=10) is not None
    caller.hang_up()
    assert [divider.told.get(timeout=30) for _ in range(2)] == ["gone", "closed"]
    wait_until(lambda: divider.endpoint.offered == 0)
