"""Who is there and who has which call, by what each process says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.certificates import self_signed
from voicebot.cluster.bus import Bus
from voicebot.cluster.errors import BusSettingsError
from voicebot.cluster.live_events import RunningCalls
from voicebot.cluster.member import Member, address_of
from voicebot.cluster.nodes import (
    GONE_S,
    LOST_S,
    MOST,
    Node,
    Nodes,
    SurgeLine,
    WaitingCaller,
    node_of,
    waiting_first,
)
from voicebot.config import Settings
from voicebot.config_nats import Nats
from voicebot.web.console.board import Board

ONE = Node("one", "r1", ("media",), "http://127.0.0.1:1", ready=True, calls=("CA1",), room=8)
TWO = Node("two", "r2", ("media",), "http://127.0.0.1:2", ready=True, room=8)
WEB = Node("web", "r3", ("web", "worker"), "http://127.0.0.1:3", ready=True)


@pytest.fixture
def nodes() -> Nodes:
    made = Nodes("web")
    for node in (ONE, TWO, WEB):
        made.heard(node, 100.0)
    return made


def test_a_process_does_not_list_itself(nodes: Nodes) -> None:
    assert nodes.all == (ONE, TWO)


def test_a_call_is_found_where_it_runs(nodes: Nodes) -> None:
    assert nodes.of_call("CA1") is ONE
    assert nodes.of_call("CA2") is None


def test_who_is_silent_for_five_seconds_is_gone_with_his_calls(nodes: Nodes) -> None:
    nodes.heard(TWO, 103.0)
    assert nodes.silent(100.0 + GONE_S - 0.1) == []
    assert nodes.silent(100.0 + GONE_S) == [ONE]
    assert nodes.of_call("CA1") is None
    assert nodes.all == (TWO,)


def test_people_are_told_of_a_lost_node_until_it_is_back(nodes: Nodes) -> None:
    nodes.silent(200.0)
    assert set(nodes.lost(201.0)) == {"one", "two"}
    nodes.heard(ONE, 202.0)
    assert set(nodes.lost(203.0)) == {"two"}
    assert nodes.lost(200.0 + LOST_S) == {}


def test_who_fell_silent_may_have_his_calls_still(nodes: Nodes) -> None:
    assert nodes.lost_with("CA1") is None, "he is there"
    nodes.silent(200.0)
    assert nodes.lost_with("CA1") is ONE
    assert nodes.lost_with("CA2") is None
    nodes.heard(ONE, 202.0)
    assert nodes.lost_with("CA1") is None


def test_who_says_that_he_leaves_is_gone_at_once_and_not_lost(nodes: Nodes) -> None:
    nodes.heard(replace(ONE, leaves=True), 101.0)
    assert nodes.all == (TWO,)
    assert nodes.silent(200.0) == [TWO]
    assert set(nodes.lost(200.0)) == {"two"}


def test_a_new_call_goes_to_the_node_with_the_most_room_that_takes_any(nodes: Nodes) -> None:
    assert nodes.least_busy() is TWO
    nodes.heard(replace(TWO, ready=False, stopping=True), 101.0)
    assert nodes.least_busy() is ONE
    nodes.heard(replace(ONE, ready=False), 101.0)
    assert nodes.least_busy() is None


def test_what_is_told_is_understood_also_with_keys_of_a_newer_version() -> None:
    told = json.loads(json.dumps({**ONE.message(), "later": 1}))
    assert node_of(told) == ONE


SURGE: SurgeLine = {"line": "12345", "mode": "surge", "since": 1.0, "newest": None}
WAITS: WaitingCaller = {
    "call_id": "a", "handoff": "h", "wants": ["110"], "waited_s": 3, "score": 0.5, "reasons": [],
}  # fmt: skip


def test_lines_and_waiting_callers_are_taken_as_they_are_told() -> None:
    told = replace(ONE, surge=(SURGE,), waiting=(WAITS,), tells_arrivals=True)
    message = json.loads(json.dumps(told.message()))
    message["surge"][0]["later"] = message["waiting"][0]["later"] = 1
    assert node_of(message) == told


@pytest.mark.parametrize(
    "wrong",
    [
        *({"room": "x"}, {"calls": 7}, {"seq": None}, {"waiting": ["x"]}, {"address": 7}),
        {"waiting": [{**WAITS, "waited_s": 10**400}]},
        *({"surge": [{**SURGE, "since": "x"}]}, {"surge": [{"line": "12345"}]}),
        *({"waiting": [{**WAITS, "score": None}]}, {"name": "a\nb"}, {"name": "n" * 65}),
        *({"address": "https://" + "a" * 300}, {"room": 10**30}, {"lines": -1}, {"seq": -1}),
        {"calling_back": [["ab", float("inf")]]},
    ],
)
def test_a_node_that_tells_nonsense_of_itself_is_refused_by_the_name_of_the_field(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        node_of({**ONE.message(), **wrong})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(
    told=st.dictionaries(st.sampled_from(sorted(ONE.message())) | st.text(max_size=9), _JSON),
    whole=st.booleans(),
)
def test_whatever_comes_is_a_node_or_refused(told: dict[str, object], whole: bool) -> None:
    try:
        node = node_of({**(ONE.message() if whole else {}), **told}, tokens_go_there=True)
    except ValueError:
        return
    assert all(isinstance(each["line"], str) for each in node.surge)
    assert sorted(waiting_first(node.waiting), key=str) == sorted(node.waiting, key=str)


def test_however_many_names_come_so_many_nodes_are_listed_and_no_more(nodes: Nodes) -> None:
    for number in range(2 * MOST):
        nodes.heard(replace(ONE, name=f"n{number}"), 100.0)
    assert len(nodes.all) == MOST
    nodes.heard(replace(ONE, room=3), 101.0)
    assert nodes.named("one") == replace(ONE, room=3), "who is known is heard on"


def test_however_many_fall_silent_so_many_are_told_of_and_no_more() -> None:
    nodes = Nodes("web")
    for at in range(3):
        for number in range(MOST):
            nodes.heard(replace(ONE, name=f"n{at}-{number}"), at * 10.0)
        assert len(nodes.silent(at * 10.0 + GONE_S)) == MOST
    assert len(nodes.lost(30.0)) == MOST
    assert nodes.lost(LOST_S + 30.0) == {}


def test_callers_of_several_nodes_wait_in_one_line_the_most_urgent_first() -> None:
    low: WaitingCaller = {**WAITS, "score": 1.0, "waited_s": 90.0}
    long: WaitingCaller = {**WAITS, "score": 5.0, "waited_s": 9.0}
    new: WaitingCaller = {**WAITS, "score": 5.0, "waited_s": 1.0}
    risen: WaitingCaller = {**WAITS, "score": 4.5, "waited_s": 180.0}
    assert waiting_first([new, low, long, risen]) == [risen, long, new, low]


@pytest.mark.parametrize(
    "address", ["http://10.0.0.7:8080", "https://a@b.example", "file:///etc", "", "https://"]
)
def test_no_token_goes_to_an_address_without_tls_whoever_told_it(address: str) -> None:
    with pytest.raises(ValueError, match="refused"):
        node_of({**ONE.message(), "address": address})


def member(settings: Settings, **server: object) -> Member:
    here = settings.model_copy(update={"server": settings.server.model_copy(update=server)})
    return Member(here, Bus(Nats(servers=("nats://127.0.0.1:1",)), "web"), RunningCalls(Board()))


def test_a_node_that_would_have_tokens_in_plain_text_is_no_node(settings: Settings) -> None:
    web = member(settings, node="web", roles=("worker",))
    web.heard(replace(ONE, address="http://10.0.0.7:8445").message())
    assert web.nodes.all == ()
    web.heard(replace(ONE, address="https://10.0.0.7:8445").message())
    web.heard(TWO.message())
    assert [node.name for node in web.nodes.all] == ["one", "two"]


def test_no_token_goes_to_another_machine_whose_certificate_anybody_could_have(
    settings: Settings,
) -> None:
    pages = member(settings, node="web", roles=("web",))
    pages.heard(replace(ONE, address="https://10.0.0.7:8445").message())
    assert pages.nodes.all == ()
    pages.heard(replace(TWO, address="https://127.0.0.1:8445").message())
    assert [node.name for node in pages.nodes.all] == ["two"]


def test_with_an_authority_of_ones_own_they_are_believed(
    settings: Settings, tmp_path: Path
) -> None:
    certificate, _ = self_signed(tmp_path)
    pages = member(settings, node="web", roles=("web",), nodes_ca=str(certificate))
    pages.heard(replace(ONE, address="https://10.0.0.7:8445").message())
    assert [node.name for node in pages.nodes.all] == ["one"]


@pytest.mark.parametrize("wrong", ["", "no certificate"])
def test_an_authority_that_cannot_be_read_is_said_at_the_start(
    settings: Settings, tmp_path: Path, wrong: str
) -> None:
    file = tmp_path / "nodes.pem"
    if wrong:
        file.write_text(wrong)
    with pytest.raises(BusSettingsError, match=r"server\.nodes_ca: .*nodes\.pem cannot be used"):
        member(settings, node="web", roles=("web",), nodes_ca=str(file))
    member(settings, node="media", roles=("media",), nodes_ca=str(file))  # sends nothing there


def test_who_listens_everywhere_must_say_where_he_is_reached(settings: Settings) -> None:
    with pytest.raises(BusSettingsError, match=r"set server\.address"):
        member(settings, host="0.0.0.0")
    assert address_of(settings) == "http://127.0.0.1:8445"
