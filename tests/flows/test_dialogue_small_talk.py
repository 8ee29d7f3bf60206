"""Words that ask for nothing of substance are met in kind, in every phase."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flows import small_talk
from flows.actions import Handoff, OpenTicket, Say, Search
from flows.state import Phase
from tests.flows.scripted_call import Call, every, final_search, only, outcome, prompts

QUESTION = "公积金怎么提取"


@pytest.fixture
def answered(call: Call) -> Call:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    return call


@pytest.fixture
def at_place(call: Call) -> Call:
    """A ticket is being taken down, and its place was asked for."""
    call.asks("路灯坏了", decision="none")
    call.written()
    call.hear_out()
    return call


@pytest.fixture
def at_number(at_place: Call) -> Call:
    at_place.says("海口龙华区")
    at_place.hear_out()
    at_place.says("我姓王")
    at_place.hear_out()
    return at_place


# ── openings ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        "我想反映一个情况", "你好我要投诉", "我有个事情想问一下", "我想咨询一个问题", "喂你好",
        "我要反映问题", "帮我查一下", "喂您好请问是12345吗我想咨询一下", "我要投诉一个人",
    ],
)  # fmt: skip
def test_an_opening_without_content_is_met_with_please_go_on(call: Call, words: str) -> None:
    assert prompts(call.says(words)) == ["go_on"]
    assert every(Search, call.done) == []


def test_triage_does_not_judge_an_opening(call: Call) -> None:
    call.says("我想反映一个情况")
    assert call.state.assessment is not None
    assert call.state.assessment == call.policy.triage.assess((), {})


@pytest.mark.parametrize(
    "words",
    [
        "我要报警",
        "救命",
        "帮帮我",
        "有人",
        "我想问一下社保",
        "没有水",
        "不要",
        "不要不要",
        "别",
        "我不想",
    ],
)
def test_words_with_content_are_no_small_talk(words: str) -> None:
    assert not small_talk.courtesy(words)


def test_sounds_that_the_text_lacks_are_judged_all_the_same() -> None:
    assert small_talk.says_nothing("我想问一下", ("wo3", "xiang3", "wen4", "yi2", "xia4"))
    assert not small_talk.says_nothing("我想问一下", ("jiu4", "ming4") * 5)


# ── once more ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words", ["再说一遍", "没听清", "我听不懂", "你说慢一点", "什么", "你说什么"]
)
def test_what_was_not_caught_is_said_again(answered: Call, words: str) -> None:
    assert prompts(answered.says(words)) == ["entry:gjj-1"]


def test_it_is_the_answer_that_is_said_again_and_not_what_followed_it(answered: Call) -> None:
    assert prompts(answered.is_silent()) == ["anything_else"]
    answered.hear_out()
    assert prompts(answered.says("再说一遍")) == ["entry:gjj-1"]


def test_who_does_not_understand_it_at_all_gets_a_human(answered: Call) -> None:
    for _ in range(2):
        answered.says("听不懂")
        answered.hear_out()
    assert only(Handoff, answered.says("听不懂")).reason == "not_understood"
    assert prompts(answered.written()) == ["repeat_human"]


def test_a_clarifying_question_is_said_again_with_what_it_asks(call: Call) -> None:
    call.asks("居住证", ("a", 0.4), ("b", 0.4), decision="clarify")
    call.hear_out()
    assert only(Say, call.says("没听清")).values == {"a": "entry:a", "b": "entry:b"}


def test_a_ticket_s_question_is_said_again(at_number: Call) -> None:
    assert prompts(at_number.says("再说一遍")) == ["ticket_number"]


# ── yes, and more ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", ["有的", "有", "还有一个问题", "我还想问一下"])
def test_a_caller_who_will_go_on_may(answered: Call, words: str) -> None:
    assert prompts(answered.says(words)) == ["go_on"]


@pytest.mark.parametrize("words", ["好的", "好的好的", "可以", "嗯"])
def test_an_acknowledgement_is_no_question(answered: Call, words: str) -> None:
    assert prompts(answered.says(words)) == ["anything_else"]


def test_yes_to_anything_else_is_met_with_please_go_on(answered: Call) -> None:
    answered.is_silent()
    answered.hear_out()
    assert prompts(answered.says("好的")) == ["go_on"]


@pytest.mark.parametrize("words", ["好的", "嗯", "行", "那麻烦你登记一下"])
def test_an_acknowledgement_is_no_place(at_place: Call, words: str) -> None:
    assert prompts(at_place.says(words)) == ["ticket_where"]
    at_place.hear_out()
    assert prompts(at_place.says("海口龙华区")) == ["ticket_name"]


# ── refusing and leaving ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", ["不用登记了", "不用了谢谢", "算了", "我说不用了", "不需要"])
def test_a_ticket_can_be_refused(at_place: Call, words: str) -> None:
    actions = at_place.says(words)
    assert prompts(actions) == ["ticket_withdrawn"]
    ticket = only(OpenTicket, actions)
    assert (ticket.ticket, ticket.withdrawn) == ("c1-t1", True)
    at_place.written(ticket.ticket)
    at_place.hear_out()
    assert prompts(at_place.says("没有了")) == ["goodbye"]
    assert outcome(at_place.hear_out()) == "abandoned"  # it does not count as a ticket


def test_a_ticket_can_be_refused_at_its_number_too(at_number: Call) -> None:
    assert only(OpenTicket, at_number.says("算了不用登记了")).withdrawn


def test_a_ticket_that_was_kept_stays_so_when_the_next_one_is_refused(at_number: Call) -> None:
    at_number.says("对")
    at_number.written()
    at_number.hear_out()
    at_number.asks("下水道堵了", decision="none")
    at_number.written()
    at_number.hear_out()
    at_number.says("不用登记了")
    assert outcome(at_number.hangs_up()) == "ticket"


@pytest.mark.parametrize("words", ["再见", "拜拜", "好的我知道了非常感谢"])
def test_who_says_goodbye_leaves_the_ticket_as_it_is(at_place: Call, words: str) -> None:
    ticket = only(OpenTicket, at_place.says(words))
    assert (ticket.matter, ticket.place, ticket.withdrawn) == ("路灯坏了", "", False)
    assert prompts(at_place.written()) == ["ticket_done"]


@pytest.mark.parametrize("words", ["再见", "算了", "好的我知道了非常感谢", "了解了", "不用了谢谢"])
def test_goodbye_is_goodbye(answered: Call, words: str) -> None:
    assert prompts(answered.says(words)) == ["goodbye"]
    assert outcome(answered.hear_out()) == "answered"


def test_a_no_to_nothing_that_was_asked_does_not_end_the_call(call: Call) -> None:
    assert prompts(call.says("没有")) == ["go_on"]
    assert call.state.phase is Phase.LISTENING


# ── corrections ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    ["地址说错了是和平大道", "等一下地址说错了是和平大道", "不对，地址是和平大道"],
)
@pytest.mark.parametrize("place", ["at the name", "at the number"])
def test_a_place_can_be_corrected_later(at_place: Call, words: str, place: str) -> None:
    at_place.says("人民大道")
    at_place.hear_out()
    if place == "at the number":
        at_place.says("我姓王")
        at_place.hear_out()
    asked_again = prompts(at_place.says(words))[-1]
    assert asked_again == ("ticket_number" if place == "at the number" else "ticket_name")
    assert at_place.state.ticket is not None
    assert at_place.state.ticket.place == "和平大道"


def test_a_correction_without_the_right_value_asks_for_it(at_number: Call) -> None:
    assert prompts(at_number.says("地址说错了")) == ["ticket_where"]


def test_a_name_can_be_corrected(at_number: Call) -> None:
    actions = at_number.says("名字错了我叫李强")
    assert prompts(actions) == ["ticket_summary", "ticket_number"]
    assert only(OpenTicket, at_number.says("对")).name == "李强"


# ── what is no reply to the question ──────────────────────────────────────────────


def test_a_place_is_no_name(at_place: Call) -> None:
    at_place.says("海口")
    at_place.hear_out()
    assert prompts(at_place.says("文昌市文城镇")) == ["ticket_name"]
    at_place.hear_out()
    at_place.says("我姓王")
    assert at_place.state.ticket is not None
    assert (at_place.state.ticket.place, at_place.state.ticket.name) == ("文昌市文城镇", "王")


def test_a_name_is_no_place(at_place: Call) -> None:
    assert prompts(at_place.says("我姓王")) == ["ticket_where"]
    at_place.hear_out()
    at_place.says("海口")
    assert at_place.state.ticket is not None
    assert (at_place.state.ticket.place, at_place.state.ticket.name) == ("海口", "王")


def test_words_that_name_no_place_go_into_the_matter_and_it_is_asked_once_more(
    at_place: Call,
) -> None:
    assert prompts(at_place.says("刚刚才发现的")) == ["ticket_where"]
    at_place.hear_out()
    assert prompts(at_place.says("老井头")) == ["ticket_name"]  # no gazetteer knows it
    assert at_place.state.ticket is not None
    ticket = at_place.state.ticket
    assert (ticket.matter, ticket.place) == ("路灯坏了；刚刚才发现的", "老井头")


def test_a_matter_may_have_no_place(at_place: Call) -> None:
    assert prompts(at_place.says("我也不知道在哪里")) == ["ticket_name"]


def test_a_question_in_a_ticket_is_answered_if_the_answer_is_sure(at_place: Call) -> None:
    assert final_search(at_place.says(QUESTION)).text == QUESTION
    actions = at_place.knows(QUESTION, ("gjj-1", 0.92))
    assert prompts(actions) == ["entry:gjj-1", "ticket_where"]
    assert at_place.state.phase is Phase.TICKET_PLACE


def test_another_question_goes_into_the_ticket(at_place: Call) -> None:
    at_place.says("能不能快点派人")
    assert prompts(at_place.knows("能不能快点派人", ("x", 0.3))) == ["ticket_where"]
    assert at_place.state.ticket is not None
    assert at_place.state.ticket.matter == "路灯坏了；能不能快点派人"


def test_what_was_taken_down_is_read_back_with_the_number(at_place: Call) -> None:
    at_place.says("海口龙华区")
    at_place.hear_out()
    summary, number = every(Say, at_place.says("我姓王"))
    assert summary.values == {"matter": "路灯坏了", "place": "海口龙华区"}
    assert number.prompt == "ticket_number"


# ── details that an answer invited ────────────────────────────────────────────────


@pytest.fixture
def invited(call: Call) -> Call:
    """The answer ended in 告诉我小区名称和地址，我登记转办."""
    from flows import events as ev

    call.says("物业不管怎么投诉")
    call.take(
        ev.SearchResult(
            call.after(0.1), call.turn, "物业不管怎么投诉", "answer", (("zj-3", 0.9),), True,
            ("zj-3",),
        )
    )  # fmt: skip
    call.hear_out()
    return call


@pytest.mark.parametrize("between", [None, "好的", "再说一遍"])
def test_the_place_that_was_asked_for_makes_a_ticket_of_the_matter(
    invited: Call, between: str | None
) -> None:
    if between:
        invited.says(between)
        invited.hear_out()
    actions = invited.says("海口龙华区金龙路")
    ticket = only(OpenTicket, actions)
    assert (ticket.matter, ticket.place) == ("物业不管怎么投诉", "海口龙华区金龙路")
    assert prompts(actions) == ["ticket_name"]
    assert [search for search in every(Search, actions) if search.final] == []


def test_a_description_is_added_to_the_matter(invited: Call) -> None:
    actions = invited.says("电梯坏了半个月了")
    assert only(OpenTicket, actions).matter == "物业不管怎么投诉；电梯坏了半个月了"
    assert prompts(actions) == ["ticket_where"]


def test_another_question_is_another_question(invited: Call) -> None:
    assert final_search(invited.says(QUESTION)).text == QUESTION


def test_the_invitation_tells_triage_that_a_place_was_asked_for(invited: Call) -> None:
    invited.begins()
    assert invited.state.turns[-1].asked == "place"


# ── what the bot had asked ────────────────────────────────────────────────────────


def _nothing(call: Call) -> None:
    pass


def _to_name(call: Call) -> None:
    call.asks("路灯坏了", decision="none")
    call.says("海口")


def _to_number(call: Call) -> None:
    _to_name(call)
    call.says("我姓王")


def _to_danger(call: Call) -> None:
    call.says("那个人")
    call.hear_out()


def _to_more(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.is_silent()
    call.hear_out()


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (_nothing, ""), (_to_name, "name"), (_to_number, "number"), (_to_danger, "danger"),
        (_to_more, "more"),
    ],
)  # fmt: skip
def test_a_turn_knows_what_it_was_asked(
    call: Call, place: Callable[[Call], None], asked: str
) -> None:
    place(call)
    call.begins()
    assert call.state.turns[-1].asked == asked
    assert call.state.turns[-1].to_triage.asked == asked
