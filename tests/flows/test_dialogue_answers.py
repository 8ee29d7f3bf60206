"""A caller asks: greeting, answer, clarification, guidance, barge-in, silence, goodbye."""

from __future__ import annotations

import pytest

from flows import events as ev
from flows.actions import Handoff, OpenTicket, Purpose, Say, Search, StopSpeaking
from flows.dialogue import texts_to_embed
from flows.events import Ear
from flows.state import Phase
from tests.flows.scripted_call import Call, every, final_search, only, outcome, prompts

QUESTION = "公积金怎么提取"


# ── greeting ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("did", "prompt"),
    [
        ("12345", "greeting"),
        ("12333", "greeting_12333"),
        ("unheard of", "greeting"),
        ("", "greeting"),
    ],
)
def test_each_dialled_number_has_its_greeting(did: str, prompt: str) -> None:
    greeting = only(Say, Call(did=did).start())
    assert greeting.prompt == prompt
    assert greeting.interruptible


def test_a_second_start_of_the_same_call_changes_nothing(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")
    handoff = call.state.handoff
    assert call.take(ev.CallStarted(9.0, "c2", "", "12345")) == ()
    assert call.state.handoff is handoff


# ── answers ───────────────────────────────────────────────────────────────────────


def test_a_question_is_answered_on_the_final_hypothesis(call: Call) -> None:
    call.begins()
    call.partial("公积金")
    assert call.ends() == ()
    search = only(Search, call.final(QUESTION))
    assert (search.text, search.final) == (QUESTION, True)
    answer = only(Say, call.knows(QUESTION, ("gjj-1", 0.7)))
    assert (answer.entry, answer.purpose, answer.interruptible) == ("gjj-1", Purpose.ANSWER, True)


def test_a_final_that_comes_before_the_turn_ends_waits_for_it(call: Call) -> None:
    call.begins()
    assert prompts(call.final(QUESTION)) == []
    assert prompts(call.knows(QUESTION, ("gjj-1", 0.7))) == []
    assert prompts(call.ends()) == ["entry:gjj-1"]


def test_a_sure_partial_is_answered_the_moment_the_turn_ends(call: Call) -> None:
    call.begins()
    only(Search, call.partial(QUESTION))
    call.knows(QUESTION, ("gjj-1", 0.9), final=False)
    call.listener(QUESTION, final=True)
    assert prompts(call.ends()) == ["entry:gjj-1"]
    call.final(QUESTION)
    assert prompts(call.knows(QUESTION, ("gjj-1", 0.95))) == []


@pytest.mark.parametrize(
    ("partial", "heard", "sure"),
    [
        (QUESTION, QUESTION, 0.79),
        ("公积金怎么", "公积金怎么提取出来还房贷", 0.95),
        ("公积", "公积", 0.95),
    ],
    ids=["not sure enough", "most was not transcribed yet", "too few words"],
)
def test_other_partials_wait_for_the_final(
    call: Call, partial: str, heard: str, sure: float
) -> None:
    call.begins()
    call.partial(partial)
    call.knows(partial, ("gjj-1", sure), final=False)
    call.listener(heard, final=True)
    assert call.ends() == ()


def test_who_has_only_begun_is_asked_to_go_on_however_sure_the_search_is(call: Call) -> None:
    begun = "你好我在海口市龙华区想问个事情"
    call.begins()
    call.partial(begun)
    call.knows(begun, ("zw-1", 0.95), final=False)
    call.listener(begun, final=True)
    assert call.ends() == ()
    assert prompts(call.final(begun)) == ["go_on"]


def test_a_result_of_an_older_shorter_partial_is_not_taken_for_the_sentence(call: Call) -> None:
    call.begins()
    call.partial("公积金贷款")
    call.partial("公积金贷款能不能提前还")
    call.listener("公积金贷款能不能提前还", final=True)
    call.knows("公积金贷款", ("gjj-9", 0.95), final=False)
    assert call.ends() == ()


def test_without_the_listener_nothing_tells_whether_a_partial_is_whole(call: Call) -> None:
    call.fails("listener")
    call.begins()
    call.partial(QUESTION)
    call.knows(QUESTION, ("gjj-1", 0.95), final=False)
    assert call.ends() == ()


def answered_early(call: Call) -> None:
    call.begins()
    call.partial(QUESTION)
    call.knows(QUESTION, ("gjj-1", 0.9), final=False)
    call.listener(QUESTION, final=True)
    assert prompts(call.ends()) == ["entry:gjj-1"]
    call.being_heard()


def test_the_final_vetoes_an_answer_that_was_begun_early(call: Call) -> None:
    answered_early(call)
    call.final("公积金怎么贷款")
    actions = call.knows("公积金怎么贷款", ("gjj-2", 0.9))
    assert isinstance(actions[0], StopSpeaking)
    assert prompts(actions) == ["entry:gjj-2"]


def test_the_final_of_an_early_answer_may_still_raise_the_question_about_danger(
    call: Call,
) -> None:
    answered_early(call)
    actions = call.final("公积金那个人")
    assert isinstance(actions[0], StopSpeaking)
    assert prompts(actions) == ["ask_danger"]


def test_a_partial_that_comes_after_the_final_does_not_replace_it(call: Call) -> None:
    call.begins()
    call.final(QUESTION)
    assert call.partial("公鸡") == ()
    assert call.state.turns[-1].transcript == QUESTION
    call.listener(QUESTION, final=True)
    call.listener("公")
    assert len(call.state.turns[-1].syllables) == 7


def test_a_pause_inside_a_sentence_does_not_cut_it_in_two(call: Call) -> None:
    call.begins()
    call.partial("我想问一下公积金")
    call.ends()
    call.begins()
    assert prompts(call.final("我想问一下公积金", turn=1)) == []
    call.partial("怎么提取")
    call.ends()
    search = only(Search, call.final("怎么提取"))
    assert search.text == "我想问一下公积金怎么提取"
    assert prompts(call.knows(search.text, ("gjj-1", 0.8))) == ["entry:gjj-1"]


def test_the_first_half_may_be_transcribed_last(call: Call) -> None:
    call.begins()
    call.listener("公积金", final=True)
    call.ends()
    call.begins()
    call.ends()
    assert call.final("怎么提取") == ()
    assert only(Search, call.final("公积金", turn=1)).text == "公积金怎么提取"


def test_a_noise_before_the_question_is_not_waited_for(call: Call) -> None:
    call.begins()
    call.begins()
    call.ends()
    assert only(Search, call.final(QUESTION)).text == QUESTION


def test_each_text_is_embedded_once_and_serves_the_other_ear_too(call: Call) -> None:
    call.begins()
    heard = ev.Heard(1.0, 1, Ear.TRANSCRIBER, text=QUESTION)
    assert texts_to_embed(call.state, heard, call.policy) == (QUESTION,)
    call.partial(QUESTION)
    assert texts_to_embed(call.state, heard, call.policy) == ()
    call.listener(QUESTION)
    assert set(call.state.embeddings) == {QUESTION}


def test_nobody_is_talked_over(call: Call) -> None:
    """A result for a turn after which the caller has gone on speaking."""
    call.says(QUESTION)
    call.begins()
    assert call.knows(QUESTION, ("gjj-1", 0.9), turn=1) == ()


def test_late_events_of_an_old_turn_are_not_the_present_turn(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.begins()
    call.partial("还有社保")
    assert call.final("公积金怎么提取啊", turn=1) == ()
    assert call.ends(turn=1) == ()
    assert call.knows(QUESTION, ("gjj-1", 0.9), turn=1) == ()
    call.ends()
    assert final_search(call.final("还有社保")).text == "还有社保"


@pytest.mark.parametrize("words", ["社保", "身份证"])
def test_short_questions_are_searched_too(call: Call, words: str) -> None:
    assert final_search(call.says(words)).text == words


@pytest.mark.parametrize("words", ["喂", "你好", "喂你好请问一下"])
def test_a_greeting_is_met_with_please_go_on(call: Call, words: str) -> None:
    assert prompts(call.says(words)) == ["go_on"]


def test_an_answer_without_candidates_is_no_answer(call: Call) -> None:
    assert prompts(call.asks(QUESTION)) == ["ticket_place"]


# ── clarification ─────────────────────────────────────────────────────────────────


@pytest.fixture
def clarifying(call: Call) -> Call:
    actions = call.asks("居住证", ("jz-1", 0.4), ("jz-2", 0.4), decision="clarify")
    assert only(Say, actions).values == {"a": "entry:jz-1", "b": "entry:jz-2"}
    call.hear_out()
    return call


@pytest.mark.parametrize(
    ("reply", "entry"),
    [("第一个", "jz-1"), ("前面那个", "jz-1"), ("第二个", "jz-2"), ("不是第一个是第二个", "jz-2")],
)
def test_either_of_two_can_be_chosen(clarifying: Call, reply: str, entry: str) -> None:
    assert prompts(clarifying.says(reply)) == [f"entry:{entry}"]


def test_neither_makes_a_ticket_of_the_question_that_was_asked(clarifying: Call) -> None:
    actions = clarifying.says("都不是")
    assert prompts(actions) == ["ticket_place"]
    assert only(OpenTicket, actions).matter == "居住证"


def test_the_question_may_be_put_again_in_other_words(clarifying: Call) -> None:
    assert prompts(clarifying.asks("居住证到期了怎么续", ("jz-3", 0.9))) == ["entry:jz-3"]


def test_one_clarifying_question_is_enough(clarifying: Call) -> None:
    actions = clarifying.asks("居住证那个", ("jz-1", 0.4), ("jz-2", 0.4), decision="clarify")
    assert prompts(actions) == ["ticket_place"]


def test_matters_outside_both_scopes_are_explained(call: Call) -> None:
    assert prompts(call.asks("你陪我聊天吧", decision="none")) == ["out_of_scope"]
    assert outcome(call.hangs_up()) == "guided"


# ── interrupting ──────────────────────────────────────────────────────────────────


def cut(call: Call, noise: str, heard_s: float = 4.0) -> None:
    """The answer is being said, and a voice over it stops it after a while."""
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.being_heard()
    answer = call.state.speaking
    assert answer is not None
    call.begins()
    call.partial(noise)
    call.take(ev.PlaybackFinished(call.at, answer, interrupted=True, seconds=heard_s))


def test_a_noise_that_stopped_the_answer_lets_it_go_on_where_it_was(call: Call) -> None:
    cut(call, "那个那个")
    call.ends()
    resumed = only(Say, call.final(""))
    assert (resumed.entry, resumed.heard_s) == ("gjj-1", 4.0)
    assert call.state.unheard == 0


def test_a_word_of_agreement_over_the_answer_lets_it_go_on(call: Call) -> None:
    cut(call, "那个")
    call.ends()
    resumed = only(Say, call.final("嗯"))
    assert (resumed.entry, resumed.heard_s) == ("gjj-1", 4.0)


def test_an_answer_is_taken_up_again_once(call: Call) -> None:
    cut(call, "那个那个")
    call.ends()
    call.final("")
    call.being_heard()
    answer = call.state.speaking
    assert answer is not None
    call.begins()
    call.partial("那个那个")
    call.take(ev.PlaybackFinished(call.at, answer, interrupted=True, seconds=1.0))
    call.ends()
    assert prompts(call.final("")) == ["not_heard"]


def test_a_new_question_over_the_answer_is_answered_and_the_old_one_is_over(call: Call) -> None:
    cut(call, "公积金")
    call.ends()
    call.final("公积金贷款怎么办")
    answered = only(Say, call.knows("公积金贷款怎么办", ("gjj-2", 0.9)))
    assert (answered.entry, answered.heard_s) == ("gjj-2", 0.0)
    assert call.state.cut is None


def test_asked_to_say_it_again_the_bot_begins_at_the_beginning(call: Call) -> None:
    cut(call, "那个那个")
    call.ends()
    call.final("")
    call.hear_out()
    again = only(Say, call.says("再说一遍"))
    assert (again.entry, again.heard_s) == ("gjj-1", 0.0)


@pytest.fixture
def answering(call: Call) -> Call:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.being_heard()
    call.begins()
    return call


def test_words_stop_the_bot(answering: Call) -> None:
    assert isinstance(answering.partial("等一下")[0], StopSpeaking)
    assert answering.state.quiet


def test_syllables_alone_stop_the_bot(answering: Call) -> None:
    assert isinstance(answering.listener("我想再问一下")[0], StopSpeaking)


@pytest.mark.parametrize("noise", ["嗯", "哦", "好的", "嗯嗯"])
def test_a_listener_s_noise_does_not_stop_the_bot(answering: Call, noise: str) -> None:
    answering.listener(noise)
    answering.partial(noise)
    answering.ends()
    answering.final(noise)
    assert every(StopSpeaking, answering.done) == []
    assert prompts(answering.done)[-1] == "entry:gjj-1"
    assert not answering.state.quiet


def test_a_cough_while_the_bot_speaks_is_passed_over(answering: Call) -> None:
    answering.ends()
    assert answering.final("") == ()
    assert not answering.state.quiet


def test_safety_prompts_are_heard_to_their_end(call: Call) -> None:
    question = only(Say, call.says("那个人在门口"))
    assert (question.prompt, question.purpose) == ("ask_danger", Purpose.SAFETY)
    assert not question.interruptible
    call.being_heard()
    call.begins()
    assert call.partial("我跟你说") == ()


# ── not understood, silent, done ──────────────────────────────────────────────────


def test_two_unintelligible_turns_bring_a_human(call: Call) -> None:
    assert prompts(call.says("")) == ["not_heard"]
    call.hear_out()
    assert only(Handoff, call.says("")).reason == "not_understood"


def test_an_understood_turn_starts_the_count_again(call: Call) -> None:
    call.says("")
    call.hear_out()
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.says("")) == ["not_heard"]


def test_a_silent_caller_is_spoken_to_twice_and_then_gets_a_human(call: Call) -> None:
    for _ in range(2):
        assert prompts(call.is_silent()) == ["are_you_there"]
        call.hear_out()
    assert only(Handoff, call.is_silent()).reason == "silent_caller"


def test_noise_does_not_make_the_silence_start_over(call: Call) -> None:
    call.is_silent()
    call.hear_out()
    call.begins()
    call.is_silent()
    call.hear_out()
    assert call.state.nudges + call.state.unheard >= 2


def test_a_silent_caller_who_was_answered_gets_a_goodbye(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.is_silent()) == ["anything_else"]
    call.hear_out()
    assert prompts(call.is_silent()) == ["goodbye"]
    assert outcome(call.hear_out()) == "answered"


def test_a_final_that_never_comes_is_not_waited_for_in_silence(call: Call) -> None:
    call.begins()
    call.partial(QUESTION)
    call.ends()
    search = only(Search, call.is_silent())
    assert (search.text, search.final) == (QUESTION, True)
    assert prompts(call.knows(QUESTION, ("gjj-1", 0.8))) == []
    assert prompts(call.is_silent()) == ["entry:gjj-1"]


def test_a_knowledge_base_that_does_not_answer_ends_in_a_ticket(call: Call) -> None:
    call.says(QUESTION)
    assert prompts(call.is_silent()) == ["ticket_place"]


@pytest.mark.parametrize("words", ["没有了谢谢", "好的谢谢再见", "没有", "不用了"])
def test_a_caller_who_is_done_gets_a_goodbye_and_the_line_is_closed(call: Call, words: str) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.says(words)) == ["goodbye"]
    assert outcome(call.hear_out()) == "answered"
    assert call.state.phase is Phase.ENDED


@pytest.mark.parametrize("words", ["谢谢那社保呢", "没有收到补贴"])
def test_thanks_before_a_further_question_are_no_goodbye(call: Call, words: str) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert final_search(call.says(words)).text == words


def test_an_acknowledgement_is_met_with_anything_else(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.says("好的")) == ["anything_else"]


@pytest.fixture
def closing(call: Call) -> Call:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.says("谢谢再见")
    call.being_heard()
    return call


def test_a_question_during_the_goodbye_keeps_the_line_open(closing: Call) -> None:
    utterance = closing.state.speaking
    assert utterance is not None
    closing.begins()
    assert isinstance(closing.partial("等等社保呢")[0], StopSpeaking)
    assert closing.take(ev.PlaybackFinished(closing.at, utterance, interrupted=True)) == ()
    closing.ends()
    assert only(Search, closing.final("等等社保呢")).final


def test_the_line_is_not_closed_while_the_caller_speaks(closing: Call) -> None:
    closing.begins()
    assert closing.hear_out() == ()
    closing.ends()
    assert outcome(closing.final("再见")) == "answered"


def test_a_goodbye_whose_end_is_never_reported_still_ends_the_call(closing: Call) -> None:
    assert outcome(closing.is_silent(8)) == "answered"


# ── engines that fail ─────────────────────────────────────────────────────────────


def test_with_the_listener_alone_the_sounds_are_searched(call: Call) -> None:
    call.fails("transcriber")
    call.begins()
    call.listener(QUESTION, final=True)
    actions = call.ends()
    assert len(only(Search, actions or call.steps[-2]).syllables) == 7
    assert prompts(call.knows("", ("gjj-1", 0.7))) == ["entry:gjj-1"]


def test_what_the_listener_writes_by_sound_is_searched_once_and_answered(call: Call) -> None:
    call.fails("transcriber")
    search = only(Search, call.says_by_sound(QUESTION))
    assert (search.text, search.final, len(search.syllables)) == (QUESTION, True, 7)
    assert prompts(call.knows(QUESTION, ("gjj-1", 0.7))) == ["entry:gjj-1"]


def test_what_the_listener_writes_by_sound_replaces_no_final_text(call: Call) -> None:
    call.begins()
    call.final("公积金贷款能不能提前还")
    call.listener("公鸡今带宽能不能提前还", final=True, written=True)
    assert call.state.turn is not None
    assert call.state.turn.transcript == "公积金贷款能不能提前还"


def test_a_transcriber_that_dies_over_a_turn_leaves_it_to_the_listener(call: Call) -> None:
    call.begins()
    call.listener(QUESTION, final=True)
    call.ends()
    assert only(Search, call.fails("transcriber")).final


def test_the_transcriber_alone_is_enough(call: Call) -> None:
    call.fails("listener")
    assert prompts(call.asks(QUESTION, ("gjj-1", 0.7))) == ["entry:gjj-1"]


def test_without_ears_the_caller_is_told_the_keys_and_gets_a_human(call: Call) -> None:
    call.fails("listener")
    assert only(Handoff, call.fails("transcriber")).reason == "no_recogniser"
    assert prompts(call.written()) == ["keys"]
    assert only(Handoff, call.presses("1")).routes[0].kind == "110"


def test_an_ear_that_fails_twice_fails_once(call: Call) -> None:
    call.fails("listener")
    call.fails("listener")
    assert call.state.ears == {Ear.TRANSCRIBER}
    assert call.state.handoff is None


def test_without_ears_and_without_seats_the_number_is_taken_for_a_call_back(call: Call) -> None:
    call.fails("listener")
    call.fails("transcriber")
    actions = call.leg(ev.LegState.BUSY)
    assert prompts(actions) == ["human_busy"]
    assert only(OpenTicket, actions).number == "13800138000"
    assert prompts(call.written()) == ["ticket_done"]


def test_without_a_knowledge_base_the_question_becomes_a_ticket(call: Call) -> None:
    call.says(QUESTION)
    assert only(OpenTicket, call.fails("knowledge_base")).matter == QUESTION


def test_a_knowledge_base_that_fails_on_a_partial_is_asked_again(call: Call) -> None:
    call.begins()
    call.partial(QUESTION)
    assert prompts(call.fails("knowledge_base")) == []
    call.ends()
    assert only(Search, call.final(QUESTION)).final


def test_without_a_voice_the_call_is_bridged_to_a_human(call: Call) -> None:
    assert only(Handoff, call.fails("speech")).reason == "no_speech"
