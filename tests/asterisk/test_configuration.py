"""deploy/asterisk as it stands, on a real Asterisk, with no voice bot there.

Whoever is heard is told by a tone: the caller 440 Hz, a seat (坐席) 1000 Hz, 110's desk
(接警台) 700 Hz, the busy tone 450 Hz.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from websockets.sync.client import ClientConnection, connect

from tests.asterisk.conftest import hang_up_everything
from tests.asterisk.pbx import CARRIER_PORTS, DEPLOYED, SIP_PORT, Pbx
from tests.asterisk.phones import (
    RATE,
    Heard,
    Phone,
    answered,
    answers,
    busy,
    busy_notice,
    busy_tone_wav,
    hang_up,
    hangs_up_at_once,
    keys,
    loop,
    refer,
    ring,
    rings_for_ever,
    tone_wav,
)
from tests.asterisk.raw_sip import WELL_FORMED, answers_options, invite, send_raw

CALLER_HZ, SEAT_HZ, POLICE_HZ, BUSY_HZ = 440, 1000, 700, 450
NUMBER = "13800138000"
SCENARIOS = Path(__file__).with_name("sipp")


@pytest.fixture
def voices(tmp_path: Path) -> dict[int, Path]:
    return {
        hertz: tone_wav(tmp_path / f"{hertz}.wav", hertz)
        for hertz in (CALLER_HZ, SEAT_HZ, POLICE_HZ)
    }


class Ari:
    """As little of ARI as these tests need: the connection of one Stasis application."""

    def __init__(self, http: httpx.Client, events: ClientConnection) -> None:
        self._http, self._events = http, events

    def event(self, kind: str) -> dict[str, Any]:
        while True:
            event: dict[str, Any] = json.loads(self._events.recv(timeout=10))
            if event["type"] == kind:
                return event

    def post(self, path: str, **parameters: str) -> None:
        self._http.post(path, params=parameters).raise_for_status()


@contextlib.contextmanager
def stasis(pbx: Pbx) -> Iterator[Ari]:
    """The application `voicebot` is there while the context lasts."""
    user = ("voicebot", pbx.password())
    url = f"{pbx.ari_url.replace('http', 'ws', 1)}/events?app=voicebot&api_key={':'.join(user)}"
    with httpx.Client(base_url=pbx.ari_url, auth=user) as http, connect(url) as events:
        yield Ari(http, events)


def give_up_in_danger(ari: Ari, handoff: str = "") -> None:
    """What the voice bot's watchdog does with a caller in danger: on to the fallback."""
    channel = ari.event("StasisStart")["channel"]["id"]
    ari.post(f"/channels/{channel}/variable", variable="VB_DANGER", value="1")
    if handoff:
        ari.post(f"/channels/{channel}/variable", variable="VB_UUI_OUT", value=handoff)
    ari.post(f"/channels/{channel}/continue", context="voicebot-fallback", extension="s")


# Boot and what is open


def test_all_that_is_configured_is_there(pbx: Pbx) -> None:
    endpoints = pbx.cli("pjsip show endpoints")
    assert all(f"Endpoint:  {name} " in endpoints for name in ("carrier", "police", "seats"))
    assert "Objects found: 3" in endpoints
    assert "8008" in pbx.cli("queue show agents")
    assert "waiting" in pbx.cli("moh show files")
    wanted = [
        line.split("=")[1].strip()
        for line in (DEPLOYED / "modules.conf").read_text("utf-8").splitlines()
        if line.startswith(("load", "require"))
    ]
    running = pbx.cli("module show")
    assert [m for m in wanted if m not in running] == []
    assert "Not Running" not in running


def test_it_is_reached_by_loopback_alone(pbx: Pbx) -> None:
    listed = subprocess.run(
        ["ss", "-Hlntup"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    own = [line.split() for line in listed if f"pid={pbx.pid}," in line]
    tcp = {fields[4] for fields in own if fields[0] == "tcp"}
    udp = {fields[4] for fields in own if fields[0] == "udp"}
    assert tcp == {"127.0.0.1:8088"}
    beyond = {address for address in udp if not address.startswith("127.0.0.1:")}
    assert "127.0.0.1:5060" in udp
    # PJSIP's DNS resolver: one socket for each family at a random port, for answers of the
    # name servers (docs/asterisk.md says to close them in the firewall).
    assert len(beyond) <= 2
    assert all(int(address.rsplit(":", 1)[1]) > 30000 for address in beyond)


def test_ari_asks_for_the_password(pbx: Pbx) -> None:
    url = f"{pbx.ari_url}/channels"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("voicebot", "voicebot")).status_code == 401
    for user in ("voicebot", "watchdog"):
        assert httpx.get(url, auth=(user, pbx.password(user))).status_code == 200


def test_passwords_are_the_owners_alone(pbx: Pbx) -> None:
    for name in ("voicebot.password", "watchdog.password", "ari_users.conf"):
        assert (pbx.config / name).stat().st_mode & 0o077 == 0
    assert pbx.password("voicebot") != pbx.password("watchdog")
    assert len(pbx.password()) == 64


def test_a_second_run_keeps_the_passwords(pbx: Pbx) -> None:
    before = pbx.password()
    subprocess.run([DEPLOYED / "make-secrets.sh", pbx.config], check=True)
    assert pbx.password() == before


# Who may call what


def test_a_number_that_is_not_ours_gets_404(caller: Phone) -> None:
    call = caller.call("99999")
    assert caller.wait_for("ended", call=call).code == 404


def test_a_seat_can_dial_nobody(seats: Phone) -> None:
    call = seats.call("12345")
    assert seats.wait_for("ended", call=call).code == 404


def test_a_stranger_gets_no_further_than_the_door(
    pbx: Pbx, new_phone: Callable[[int], Phone]
) -> None:
    stranger = new_phone(5200)
    call = stranger.call("12345", caller="carrier")
    assert stranger.wait_for("ended", call=call).code == 401
    assert pbx.channels() == []


@pytest.mark.parametrize("did", ["12345", "12333", "96377"])
def test_public_calls_go_to_the_voice_bot(pbx: Pbx, caller: Phone, did: str) -> None:
    with stasis(pbx) as ari:
        caller.call(did, headers={"User-to-User": "6d3131;encoding=hex"})
        start = ari.event("StasisStart")
        assert start["args"] == ["caller", did]
        assert start["channel"]["caller"]["number"] == NUMBER
        assert start["channel"]["channelvars"]["VB_UUI"] == "6d3131;encoding=hex"
        hang_up_everything(pbx)


def test_calls_of_110_bring_order_and_caller(pbx: Pbx, police: Phone) -> None:
    with stasis(pbx) as ari:
        police.call(
            "12345",
            caller="110",
            asserted=NUMBER,
            headers={"User-to-User": "4a44-2026-000017;purpose=order"},
        )
        start = ari.event("StasisStart")
        assert start["args"] == ["police", "12345"]
        assert start["channel"]["caller"]["number"] == NUMBER
        assert start["channel"]["channelvars"]["VB_UUI"] == "4a44-2026-000017;purpose=order"
        hang_up_everything(pbx)


# Without a voice bot: humans


def test_without_a_voice_bot_a_seat_answers_and_both_hear_each_other(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*answers(voices[SEAT_HZ]))
    call = caller.call(
        "12345", caller="anonymous", asserted=NUMBER, steps=(answered(), loop(voices[CALLER_HZ]))
    )
    offered = seats.wait_for("incoming")
    assert f"sip:{NUMBER}@" in offered.headers["p-asserted-identity"]
    caller.wait_until_tone(SEAT_HZ, call=call)
    seats.wait_until_tone(CALLER_HZ)
    caller.hang_up(call)
    assert seats.wait_for("ended").code == 200


def test_the_caller_hears_music_while_a_seat_rings(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(ring(3.0), *answers(voices[SEAT_HZ])[1:])
    call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
    heard = caller.wait_until_tone(SEAT_HZ, call=call, timeout_s=15)
    assert heard.end - heard.times[0] > 3
    assert heard.longest_silence_s() < 3


def test_when_a_seat_hangs_up_the_caller_gets_the_next_one(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*answers(voices[SEAT_HZ]))
    call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
    seats.wait_until_tone(CALLER_HZ, call=1)
    seats.hang_up(1)
    seats.wait_until_tone(CALLER_HZ, call=2)
    assert caller.seen("ended") == []
    assert caller.heard(call).longest_silence_s() < 3


def test_a_busy_seat_is_no_end(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*busy())
    call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
    seats.wait_for("ended", call=2)
    seats.script(*answers(voices[SEAT_HZ]))
    heard = caller.wait_until_tone(SEAT_HZ, call=call)
    assert heard.longest_silence_s() < 3


def test_a_caller_cannot_move_the_call_elsewhere(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*answers(voices[SEAT_HZ]))
    steps = (answered(), loop(voices[CALLER_HZ]), refer(f"sip:110@127.0.0.1:{SIP_PORT}"))
    call = caller.call("12345", steps=steps)
    since = time.monotonic()
    seats.wait_until_tone(CALLER_HZ)
    caller.wait_until_heard(
        lambda heard: heard.between(since + 1).seconds > 1 and heard.last(0.5).has_tone(SEAT_HZ),
        call=call,
    )
    assert caller.seen("ended") == seats.seen("ended") == []


def test_keys_reach_the_seat(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*answers(voices[SEAT_HZ]))
    call = caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ, call=call)
    caller.then(call, keys("1#"))
    assert [seats.wait_for("key", where=_is_key(k)).data["key"] for k in "1#"] == ["1", "#"]


def _is_key(key: str) -> Callable[[Any], bool]:
    return lambda event: event.data["key"] == key


def test_four_callers_at_a_time_get_four_seats(
    pbx: Pbx, seats: Phone, voices: dict[int, Path], sipp: str, tmp_path: Path
) -> None:
    """sipp's callers: a second SIP stack that nobody here wrote."""
    seats.script(*answers(voices[SEAT_HZ]))
    samples, _ = soundfile.read(voices[CALLER_HZ], dtype="int16")
    alaw = tmp_path / "caller.al"
    soundfile.write(alaw, samples, RATE, subtype="ALAW", format="RAW")
    done = subprocess.run(
        [
            *(sipp, "-sf", SCENARIOS / "caller.xml", "-s", "12345", "-key", "caller", NUMBER),
            *("-i", "127.0.0.1", "-p", str(CARRIER_PORTS[1]), f"127.0.0.1:{SIP_PORT}"),
            *("-m", "4", "-l", "4", "-r", "4", "-d", "1500", "-nostdin", "-timeout", "20"),
        ],
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-2000:]
    # Each call ended by the caller's own BYE, and nothing of it is left.
    assert {seats.wait_for("ended", call=call).code for call in (1, 2, 3, 4)} == {200}
    assert pbx.channels() == []
    for call in (1, 2, 3, 4):
        heard = seats.heard(call)
        assert heard.between(heard.times[0] + 1).has_tone(CALLER_HZ)


# Danger: 110 before the seats


def test_in_danger_110_is_dialled_with_the_callers_number_and_the_hand_off(
    pbx: Pbx, caller: Phone, police: Phone, voices: dict[int, Path]
) -> None:
    police.script(*answers(voices[POLICE_HZ]))
    with stasis(pbx) as ari:
        call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
        give_up_in_danger(ari, "4a44-handoff-17;encoding=hex")
    offered = police.wait_for("incoming")
    assert offered.data["uri"].startswith("sip:110@")
    assert f"sip:{NUMBER}@" in offered.headers["p-asserted-identity"]
    assert f"sip:{NUMBER}@" in offered.headers["from"]
    assert offered.headers["user-to-user"] == "4a44-handoff-17;encoding=hex"
    caller.wait_until_tone(POLICE_HZ, call=call)
    police.wait_until_tone(CALLER_HZ)
    assert caller.heard(call).longest_silence_s() < 3


@pytest.mark.parametrize("how", ["busy", "hangs up at once", "busy notice in early media"])
def test_when_110_fails_a_seat_takes_the_caller(
    pbx: Pbx,
    caller: Phone,
    police: Phone,
    seats: Phone,
    voices: dict[int, Path],
    tmp_path: Path,
    how: str,
) -> None:
    notice = busy_tone_wav(tmp_path / "busy.wav")
    scripts = {
        "busy": busy(),
        "hangs up at once": hangs_up_at_once(),
        "busy notice in early media": busy_notice(notice, 1.0),
    }
    police.script(*scripts[how])
    seats.script(*answers(voices[SEAT_HZ]))
    with stasis(pbx) as ari:
        call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
        give_up_in_danger(ari)
    failed = police.wait_for("ended")
    caller.wait_until_tone(SEAT_HZ, call=call)
    assert seats.wait_for("incoming").at - failed.at < 3
    heard = caller.heard(call)
    assert heard.longest_silence_s() < 3
    assert not heard.has_tone(BUSY_HZ)


def test_when_110_rings_for_ever_a_seat_takes_the_caller_after_a_while(
    pbx: Pbx, caller: Phone, police: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    pbx.set_global("VB_RING_S", "3")  # 20 as deployed
    police.script(*rings_for_ever())
    seats.script(*answers(voices[SEAT_HZ]))
    with stasis(pbx) as ari:
        call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
        give_up_in_danger(ari)
    rang = police.wait_for("rings").at
    heard = caller.wait_until_tone(SEAT_HZ, call=call, timeout_s=10)
    assert 2.5 < seats.wait_for("incoming").at - rang < 8
    assert heard.longest_silence_s() < 3
    assert police.wait_for("ended").code == 487
    pbx.set_global("VB_RING_S", "20")


def test_after_110_has_gone_the_caller_is_not_alone(
    pbx: Pbx, caller: Phone, police: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    police.script(*answers(voices[POLICE_HZ]))
    seats.script(*answers(voices[SEAT_HZ]))
    with stasis(pbx) as ari:
        call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
        give_up_in_danger(ari)
    police.wait_until_tone(CALLER_HZ)
    police.hang_up()
    caller.wait_until_tone(SEAT_HZ, call=call)
    assert caller.seen("ended") == []


def test_what_falls_back_is_recorded_with_all_parties(
    pbx: Pbx, caller: Phone, police: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    before = set(pbx.monitor.iterdir())
    police.script(*answers(voices[POLICE_HZ]))
    seats.script(*answers(voices[SEAT_HZ]))
    with stasis(pbx) as ari:
        call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
        give_up_in_danger(ari)
    police.wait_until_tone(CALLER_HZ)
    police.hang_up()
    seats.wait_until_tone(CALLER_HZ)
    caller.hang_up(call)
    caller.wait_for("ended")
    hang_up_everything(pbx)
    alone, with_police, with_seat = sorted(set(pbx.monitor.iterdir()) - before, key=len_of_name)
    assert not recorded(alone).has_tone(SEAT_HZ, 0.02)
    for file, parties in (
        (alone, [CALLER_HZ]),
        (with_police, [CALLER_HZ, POLICE_HZ]),
        (with_seat, [CALLER_HZ, SEAT_HZ]),
    ):
        assert all(recorded(file).has_tone(hz) for hz in parties), file.name


def len_of_name(file: Path) -> tuple[int, str]:
    """The caller's recording first, then the legs' in the order in which they were dialled."""
    return len(file.name), file.name


def recorded(file: Path) -> Heard:
    samples, rate = soundfile.read(file, dtype="int16")
    assert rate == RATE
    return Heard(np.asarray(samples), np.arange(len(samples) // 160, dtype=np.float64))


# Asterisk's own end


def test_after_a_restart_calls_are_taken_again(
    pbx: Pbx, caller: Phone, seats: Phone, voices: dict[int, Path]
) -> None:
    seats.script(*answers(voices[SEAT_HZ]))
    pbx.kill()
    started = time.monotonic()
    pbx.start()
    assert time.monotonic() - started < 30
    call = caller.call("12345", steps=(answered(), loop(voices[CALLER_HZ])))
    caller.wait_until_tone(SEAT_HZ, call=call)
    caller.then(call, hang_up())


# What strangers may send

MALFORMED: dict[str, dict[str, str | bytes]] = {
    "no CSeq number": {"cseq": "CSeq: INVITE"},
    "CSeq of another method": {"cseq": "CSeq: 1 BYE"},
    "CSeq too large": {"cseq": "CSeq: 99999999999999999999 INVITE"},
    "no To": {"to": "X-To: none"},
    "no From": {"from": "X-From: none"},
    "From without an end": {"from": 'From: "\u7532 <sip:138'},
    "From that is no UTF-8": {"from": b'From: "\xff\xfe\xb5\xc7" <sip:\xff\xfe@127.0.0.1>;tag=1'},
    "an escaped NUL": {"first": "INVITE sip:12345%00@127.0.0.1 SIP/2.0"},
    "header of 50 kB": {"extra": "X-Long: " + "A" * 50_000},
    "500 Via": {
        "extra": "\r\n".join(f"Via: SIP/2.0/UDP a{i};branch=z9hG4bK{i}" for i in range(500))
    },
    "format strings": {"extra": "P-Asserted-Identity: <sip:%s%n%x@127.0.0.1>"},
    "dialplan in the number": {"first": "INVITE sip:${SHELL(id)}@127.0.0.1 SIP/2.0"},
    "length too long": {"length": "Content-Length: 99999"},
    "negative length": {"length": "Content-Length: -1"},
    "SDP without an address": {"sdp": "c="},
    "SDP with a name": {"sdp": "c=IN IP4 " + "a" * 3000},
    "a version that is not": {"first": "INVITE sip:12345@127.0.0.1 SIP/9.9"},
}


def test_malformed_invites_do_no_harm(
    pbx: Pbx, new_phone: Callable[[int], Phone], sipp: str, tmp_path: Path
) -> None:
    for case, odd in MALFORMED.items():
        lines = {**WELL_FORMED, **odd}
        pairs = [part for name, value in lines.items() for part in ("-key", name, value)]
        subprocess.run(
            [
                *(sipp, "-sf", SCENARIOS / "malformed.xml", "-i", "127.0.0.1"),
                *("-p", str(CARRIER_PORTS[2]), f"127.0.0.1:{SIP_PORT}", *pairs),
                *("-m", "5", "-r", "50", "-nostdin", "-timeout", "5"),
            ],
            cwd=tmp_path,
            capture_output=True,
            timeout=20,
        )
        hang_up_everything(pbx)
        assert answers_options(), case
    caller = new_phone(CARRIER_PORTS[0])
    assert caller.wait_for("ended", call=caller.call("99999")).code == 404


def test_a_caller_whose_headers_are_no_utf8_still_reaches_the_voice_bot(
    pbx: Pbx, sipp: str, tmp_path: Path
) -> None:
    """An event that cannot be written as JSON would leave the caller in silence."""
    with stasis(pbx) as ari:
        lines: dict[str, str | bytes] = {
            **WELL_FORMED,
            "from": b'From: "\xff\xfe\xb5\xc7" <sip:13800138000@127.0.0.1>;tag=1',
            "extra": b"User-to-User: \xff\xfe6d31;encoding=hex" + b"A" * 600,
            "length": "Content-Length: [len]",
        }
        send_raw(lines)
        start = ari.event("StasisStart")
        assert start["args"] == ["caller", "12345"]
        assert start["channel"]["caller"]["number"] == NUMBER
        order = start["channel"]["channelvars"]["VB_UUI"]
        assert order.startswith("6d31;encoding=hexAAA")
        assert len(order) == 256
        hang_up_everything(pbx)


def test_2000_broken_datagrams_neither_end_nor_swell_it(
    pbx: Pbx, new_phone: Callable[[int], Phone]
) -> None:
    """The session description stays whole: docs/asterisk.md, Security, has why."""
    chance = random.Random(12345)
    before = resident_kb(pbx.pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind(("127.0.0.1", CARRIER_PORTS[2]))
        for number in range(2000):
            message = bytearray(invite(WELL_FORMED, f"fuzz-{number}"))
            for _ in range(chance.randint(1, 20)):
                message[chance.randrange(message.index(b"v=0"))] = chance.randrange(256)
            start = chance.randrange(len(message)) if chance.random() < 0.2 else 0
            carrier.sendto(message[start:], ("127.0.0.1", SIP_PORT))
    hang_up_everything(pbx, 30)
    caller = new_phone(CARRIER_PORTS[0])
    assert caller.wait_for("ended", call=caller.call("99999")).code == 404
    assert resident_kb(pbx.pid) - before < 60_000


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
