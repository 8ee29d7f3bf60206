"""A caller asks further about what was just answered: the search is told which entry that was."""

from tests.flows.scripted_call import Call, final_search, prompts

QUESTION = "公积金怎么提取"
FURTHER = "那要带什么材料"


def test_the_first_question_follows_nothing(call: Call) -> None:
    assert final_search(call.says(QUESTION)).previous is None


def test_a_question_after_an_answer_is_searched_in_its_context(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert final_search(call.says(FURTHER)).previous == "gjj-1"


def test_a_question_back_ends_the_context(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.asks("公积金那个贷款", ("gjj-2", 0.4), ("gjj-3", 0.4), decision="clarify")
    assert final_search(call.says(FURTHER)).previous is None


def test_the_veto_of_an_early_answer_is_searched_in_the_context_before_it(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.begins()
    call.listener(FURTHER)
    call.partial(FURTHER)
    call.knows(FURTHER, ("gjj-2", 0.95), final=False)
    assert prompts(call.ends()) == ["entry:gjj-2"]
    assert final_search(call.final(FURTHER + "呢")).previous == "gjj-1"


def test_the_next_question_follows_the_early_answer(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.begins()
    call.listener(FURTHER)
    call.partial(FURTHER)
    call.knows(FURTHER, ("gjj-2", 0.95), final=False)
    call.ends()
    call.final(FURTHER)
    call.knows(FURTHER, ("gjj-2", 0.95))
    call.hear_out()
    assert final_search(call.says("那要多久")).previous == "gjj-2"
