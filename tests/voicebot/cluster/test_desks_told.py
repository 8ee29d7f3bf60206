"""Agents' desks of several nodes, as each knows them by what the others have told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.browser_leg import BrowserLeg
from voicebot.call.agent_desks import AgentDesks, Presence, desk_number
from voicebot.call.attendance import REMEMBERED_AGENTS
from voicebot.call.desk_shares import DeskShare


def nothing() -> None: ...


class Cluster:
    """Desks of several nodes; each hears what the others say when the test says so."""

    def __init__(self, *names: str) -> None:
        self.at = 1000.0
        self.nodes = {name: AgentDesks(lambda: self.at, lambda: self.at) for name in names}

    def __getitem__(self, name: str) -> AgentDesks:
        return self.nodes[name]

    def tell(self, *names: str) -> None:
        """These nodes (all of them) tell the others; as JSON, as it goes over the wire."""
        for name in names or self.nodes:
            told = DeskShare.model_validate_json(self.nodes[name].share().model_dump_json())
            for other, desks in self.nodes.items():
                if other != name:
                    desks.take_share(name, told)

    def dies(self, name: str) -> None:
        del self.nodes[name]
        for desks in self.nodes.values():
            desks.forget(name)


@contextmanager
def page(desks: AgentDesks, *agents: str) -> Iterator[None]:
    with ExitStack() as stack:
        for agent in agents:
            stack.enter_context(desks.open(agent, agent.upper(), nothing))
        yield


def leg(desks: AgentDesks, call_id: str, agent: str = "") -> BrowserLeg:
    number = desk_number(f"seat@{agent}")
    assert number is not None
    return desks.new_leg(number, call_id, answer_timeout_s=5.0)


def ringing(desks: AgentDesks, agent: str) -> list[str]:
    return [offer.call_id for offer in desks.rings(agent)]


async def test_a_call_of_any_node_rings_at_every_ready_desk_and_one_agent_gets_it() -> None:
    nodes = Cluster("media-1", "media-2", "web-1", "web-2")
    with page(nodes["web-1"], "a"), page(nodes["web-2"], "b", "c"):
        nodes["web-2"].set_presence("c", Presence.AWAY)
        nodes.tell()
        assert nodes["media-1"].ready == 2
        call = leg(nodes["media-1"], "c-1")
        await call.connect({})
        nodes.tell()
        assert ringing(nodes["web-1"], "a") == ringing(nodes["web-2"], "b") == ["c-1"]
        assert ringing(nodes["web-2"], "c") == []
        assert nodes["web-1"].elsewhere.node_of(call.id) == "media-1"

        assert nodes["media-1"].answer(call.id, "b") is not None
        assert nodes["media-1"].answer(call.id, "a") is None, "taken already"
        nodes.tell()
        assert ringing(nodes["web-1"], "a") == []
        assert nodes["web-1"].holder("c-1") == "b"
        assert nodes["web-1"].name_of("b") == "B"
        await call.hangup()


async def test_an_agent_on_a_call_is_offered_nothing_else_by_any_node() -> None:
    nodes = Cluster("media-1", "media-2", "web")
    with page(nodes["web"], "a"):
        nodes.tell()
        first, second = leg(nodes["media-1"], "c-1"), leg(nodes["media-2"], "c-2")
        await first.connect({})
        await second.connect({})
        assert nodes["media-1"].answer(first.id, "a") is not None
        nodes.tell()
        assert nodes["media-2"].answer(second.id, "a") is None
        assert ringing(nodes["web"], "a") == []
        assert nodes["media-2"].ready == 0
        await first.hangup()
        nodes.tell()
        assert ringing(nodes["web"], "a") == ["c-2"]
        assert nodes["media-2"].answer(second.id, "a") is not None
        await second.hangup()


async def test_a_call_for_one_agent_rings_at_his_desk_wherever_that_is() -> None:
    nodes = Cluster("media", "web-1", "web-2")
    with page(nodes["web-1"], "a"), page(nodes["web-2"], "b"):
        nodes["web-2"].set_presence("b", Presence.WRAP_UP)
        nodes.tell()
        call = leg(nodes["media"], "c-1", "b")
        await call.connect({})
        nodes.tell()
        assert ringing(nodes["web-1"], "a") == []
        assert [offer.agent for offer in nodes["web-2"].rings("b")] == ["b"]
        await call.hangup()


async def test_a_call_that_nobody_takes_rings_nowhere_any_more() -> None:
    nodes = Cluster("media", "web")
    with page(nodes["web"], "a"):
        nodes.tell()
        call = leg(nodes["media"], "c-1")
        await call.connect({})
        await call.hangup()
        nodes.tell()
        assert ringing(nodes["web"], "a") == []


def test_whoever_is_ready_at_one_node_can_be_passed_a_call_at_another() -> None:
    nodes = Cluster("media", "web-1", "web-2")
    with page(nodes["web-1"], "a"), page(nodes["web-2"], "b"):
        nodes.tell()
        assert nodes["media"].others("a") == [("b", "B")]
        assert nodes["web-1"].others("a") == [("b", "B")]
        nodes["web-2"].set_presence("b", Presence.AWAY)
        nodes.tell()
        assert nodes["web-1"].others("a") == []


def test_what_an_agent_said_last_of_himself_holds_wherever_he_said_it() -> None:
    nodes = Cluster("web-1", "web-2", "media")
    with page(nodes["web-1"], "a"):
        nodes["web-1"].set_presence("a", Presence.AWAY)
        nodes.tell()
        nodes.at -= 60  # the other node's clock is behind
        nodes["web-2"].set_presence("a", Presence.READY)  # a balancer sends it there
        nodes.tell()
        assert {desks.presence("a") for desks in nodes.nodes.values()} == {Presence.READY}
    nodes.tell()
    assert {desks.presence("a") for desks in nodes.nodes.values()} == {Presence.AWAY}
    nodes["web-2"].set_presence("a", Presence.READY)
    assert nodes["web-2"].presence("a") is Presence.AWAY, "no page of his is open"


def test_what_an_agent_has_said_comes_with_him_to_another_node() -> None:
    nodes = Cluster("web-1", "web-2", "media")
    with page(nodes["web-1"], "a"):
        nodes["web-1"].set_presence("a", Presence.WRAP_UP)
        nodes.tell()
    nodes.dies("web-1")
    with page(nodes["web-2"], "a"):
        nodes.tell()
        assert nodes["web-2"].presence("a") is Presence.WRAP_UP
        assert nodes["media"].presence("a") is Presence.WRAP_UP


def test_who_is_long_gone_is_forgotten_and_whoever_is_there_is_not() -> None:
    nodes = Cluster("web-1", "web-2", "media")
    with page(nodes["web-1"], "a"):
        nodes["web-1"].set_presence("a", Presence.WRAP_UP)
        nodes["web-2"].beat("a")
        for number in range(REMEMBERED_AGENTS + 1):
            with page(nodes["web-1"], f"b{number}"):
                nodes.tell("web-1")
        nodes.tell()
        media = nodes["media"]
        assert (media.name_of("a"), media.presence("a")) == ("A", Presence.WRAP_UP)
        assert (media.name_of("b0"), media.name_of("b1")) == ("", "B1")
    nodes.tell()
    assert nodes["web-2"].share() == DeskShare(), "no page of his is open any more"


def test_a_page_that_answers_no_beat_at_any_node_is_not_ready() -> None:
    nodes = Cluster("web-1", "web-2", "media")
    with page(nodes["web-1"], "a"):
        nodes.at += 24.0
        nodes.tell()
        nodes["web-2"].beat("a")
        nodes.at += 24.0
        nodes.tell()
        assert nodes["media"].ready == 1, "by way of the second node"
        nodes.at += 2.0
        nodes.tell()
        assert nodes["media"].ready == 0


async def test_a_node_that_dies_takes_its_pages_and_what_rang_there_with_it() -> None:
    nodes = Cluster("media-1", "media-2", "web-1", "web-2")
    with page(nodes["web-1"], "a"), page(nodes["web-2"], "b"):
        nodes.tell()
        had, rang = leg(nodes["media-1"], "c-1"), leg(nodes["media-1"], "c-2")
        await had.connect({})
        await rang.connect({})
        nodes["media-1"].answer(had.id, "a")
        nodes.tell()
        assert ringing(nodes["web-2"], "b") == ["c-2"]
        nodes.dies("media-1")
        assert ringing(nodes["web-2"], "b") == []
        assert not nodes["web-1"].talks("a")
        assert nodes["web-1"].has("c-1", "a"), "its ticket is still his"
        nodes.dies("web-1")
        assert nodes["media-2"].others("") == [("b", "B")]
        await had.hangup()
        await rang.hangup()


async def test_who_had_a_call_is_known_at_the_node_of_his_page_when_it_is_over() -> None:
    nodes = Cluster("media", "web")
    with page(nodes["web"], "a"):
        nodes.tell()
        assert nodes["media"].claim("c-1", "a")
        nodes.tell()
        assert nodes["web"].holder("c-1") == "a"
        assert not nodes["web"].talks("a"), "it is on a telephone of his own"
        nodes["media"].leave("c-1")
        nodes.tell()
        assert nodes["web"].holder("c-1") == ""
        assert nodes["web"].last_holder("c-1") == "a"


NODES = ("web-1", "web-2", "media-1", "media-2")
AGENTS = ("a", "b", "c")
STEPS = st.one_of(
    st.tuples(st.just("page"), st.sampled_from(NODES[:2]), st.sampled_from(AGENTS)),
    st.tuples(st.just("say"), st.sampled_from(NODES[:2]), st.sampled_from(AGENTS)),
    st.tuples(st.just("ring"), st.sampled_from(NODES[2:]), st.sampled_from(("", *AGENTS))),
    st.tuples(st.just("answer"), st.sampled_from(NODES[2:]), st.sampled_from(AGENTS)),
    st.tuples(st.just("hang_up"), st.sampled_from(NODES[2:]), st.sampled_from(AGENTS)),
    st.tuples(st.just("tell"), st.sampled_from(NODES), st.just("")),
)


@given(st.lists(st.tuples(STEPS, st.sampled_from(Presence)), max_size=40))
def test_whatever_happens_where_all_nodes_agree_once_all_have_told_all(
    steps: list[tuple[tuple[str, str, str], Presence]],
) -> None:
    asyncio.run(_agree(steps))


async def _agree(steps: list[tuple[tuple[str, str, str], Presence]]) -> None:
    nodes, pages = Cluster(*NODES), ExitStack()
    legs: list[tuple[str, BrowserLeg]] = []
    answered: dict[str, list[str]] = {}
    for number, ((what, node, agent), presence) in enumerate(steps):
        desks = nodes[node]
        match what:
            case "page":
                pages.enter_context(desks.open(agent, agent.upper(), nothing))
            case "say":
                desks.set_presence(agent, presence)
            case "ring":
                made = leg(desks, f"c-{number}", agent)
                try:
                    await made.connect({})
                except Exception:
                    assert not (desks.is_open(agent) if agent else desks.ready)
                else:
                    legs.append((node, made))
            case "answer":
                for offer in desks.offers(agent)[:1]:
                    if desks.answer(offer.leg.id, agent) is not None:
                        answered.setdefault(offer.call_id, []).append(agent)
            case "hang_up":
                for _, made in [each for each in legs if each[0] == node][:1]:
                    await made.hangup()
            case "tell":
                nodes.tell(node)
    nodes.tell()
    assert all(len(agents) == 1 for agents in answered.values())
    for seen in (
        lambda desks: [desks.presence(agent) for agent in AGENTS],
        lambda desks: [desks.talks(agent) for agent in AGENTS],
        lambda desks: desks.ready,
        lambda desks: [sorted(ringing(desks, agent)) for agent in AGENTS],
        lambda desks: [desks.holder(f"c-{number}") for number in range(len(steps))],
        lambda desks: sorted(desks.others("")),
    ):
        views = [seen(desks) for desks in nodes.nodes.values()]
        assert all(view == views[0] for view in views)
    for _, made in legs:
        await made.hangup()
    pages.close()


@pytest.mark.parametrize("told", [{}, {"desks": [], "newer": 1}])
def test_what_a_newer_version_tells_besides_is_passed_over(told: dict[str, object]) -> None:
    assert DeskShare.model_validate(told) == DeskShare()
