"""What two people have put up about an incident is told to new callers, and holds nobody up."""

from __future__ import annotations

from flows.actions import Handoff, Say, StopSpeaking
from flows.events import Interrupted
from tests.flows.scripted_call import Call, every, only, prompts


def test_what_is_announced_about_an_incident_comes_before_the_greeting() -> None:
    call = Call(announcement="番阳镇的滑坡已经有人去救。")
    told, greeting = every(Say, call.start(greeted=False))
    assert (told.prompt, told.values["announcement"]) == (
        "incident_announcement",
        "番阳镇的滑坡已经有人去救。",
    )
    assert greeting.prompt == "greeting"


def test_danger_is_heard_in_the_middle_of_an_announcement() -> None:
    call = Call(announcement="番阳镇的滑坡已经有人去救。")
    call.start(greeted=False)
    call.being_heard()
    call.begins()
    actions = call.partial("救命")
    assert every(StopSpeaking, actions)
    assert only(Handoff, actions).reason == "danger"


def test_nothing_is_announced_to_who_comes_from_110_or_was_called_back() -> None:
    assert prompts(Call(announcement="滑坡。", trunk="110").start(greeted=False)) == ["from_110"]
    back = Call(announcement="滑坡。", called_back=Interrupted("c0-h1")).start(greeted=False)
    assert "incident_announcement" not in prompts(back)
