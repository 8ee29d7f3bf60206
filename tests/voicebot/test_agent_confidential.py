"""保密 that an agent ticks in the form holds at once: for colleagues, and in the live view."""

from __future__ import annotations

import pytest

from tests.voicebot.test_agent_web import CALL, Web, mine, web  # noqa: F401 - a fixture
from tests.voicebot.ticket_desk import opened

SECRET = {"confidential": True, "matter": "举报超载"}


def keeps(web: Web, typed: dict[str, object]) -> int:  # noqa: F811
    form = {"typed": typed, "version": web.ask("GET", "draft").json()["version"]}
    answer = web.ask("PUT", "draft", json=form)
    assert answer.status_code == 200
    return int(answer.json()["version"])


def test_a_ticked_wish_closes_the_call_to_colleagues(web: Web) -> None:  # noqa: F811
    mine(web)
    keeps(web, {"matter": "举报超载"})
    assert web.ask("GET", "stream", "agent-2").status_code == 200
    keeps(web, SECRET)
    assert web.session.confidential, "the live view is told as well"
    for rest in ("stream", "draft"):
        assert web.ask("GET", rest, "agent-2").status_code == 403
    assert web.ask("GET", "card", "agent-2").json()["number"] == "保密"
    assert web.ask("GET", "draft").status_code == 200, "who has the call goes on"


def test_a_ticked_wish_holds_when_the_call_is_over_and_not_registered(
    web: Web,  # noqa: F811
) -> None:
    mine(web)
    keeps(web, SECRET)
    del web.service.sessions[CALL]
    assert web.ask("GET", "draft", "agent-2").status_code == 403
    assert web.ask("GET", "draft").json()["form"]["confidential"] is True


@pytest.mark.parametrize("rest", ["stream", "draft"])
def test_a_confidential_ticket_on_record_closes_the_running_call(
    web: Web,  # noqa: F811
    rest: str,
) -> None:
    web.write(opened, ticket=f"{CALL}-t1", call_id=CALL, confidential=True)
    assert web.ask("GET", rest, "agent-2").status_code == 403
    assert web.session.confidential
