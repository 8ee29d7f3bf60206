"""The wording of the bot: complete, speakable, checked when it is loaded."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flows
from flows.prompts import MAX_CHARACTERS, PromptError, load_prompts
from flows.speaking import SAFETY

MODULES = [
    ast.parse(path.read_text("utf-8")) for path in Path(flows.__path__[0]).glob("*.py")
]  # triage says nothing

SAYING = {"say": 1, "put": 1, "to_human": 2, "open_dialogue": 3, "_take_down": 2}
"""Functions that take a prompt, and where."""
KEYWORDS = {"prompt", "question"}
CONSTANTS = {"DANGER", "PLAIN", "ANSWERLESS"}
COMPUTED = {"prompt"}
"""Names of variables that hold a prompt."""
CHOOSING = {"police_prompt", "progress_prompt"}
"""Functions that return one."""


def said() -> set[str]:
    """Every prompt that the dialogue names where it says something."""
    found: set[str] = set()
    for module in MODULES:
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else ""
                name = function.id if isinstance(function, ast.Name) else name
                place = SAYING.get(name)
                if place is not None:
                    for argument in node.args[place : place + 1]:
                        found |= literals(argument)
                    for keyword in node.keywords:
                        if keyword.arg in KEYWORDS:
                            found |= literals(keyword.value)
                if name == "get" and len(node.args) == 2:  # policy.greetings
                    found |= {each for each in literals(node.args[1]) if each == "greeting"}
            if isinstance(node, ast.FunctionDef) and node.name in CHOOSING:
                for each in ast.walk(node):
                    if isinstance(each, ast.Return) and each.value is not None:
                        found |= literals(each.value)
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                if names & (COMPUTED | CONSTANTS):
                    found |= literals(node.value)
    return found


def literals(node: ast.expr) -> set[str]:
    """The strings that an expression can be; not those that it compares with."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=one, orelse=other):
            return literals(one) | literals(other)
        case _:
            return set()


def test_every_prompt_that_is_said_exists() -> None:
    assert said() - set(load_prompts()) == set()


def test_every_prompt_is_said() -> None:
    greetings = {name for name in load_prompts() if name.startswith("greeting_")}
    by_the_pbx = {"surge_call_back"}
    assert set(load_prompts()) - greetings - said() - by_the_pbx == set()


def test_a_misspelt_prompt_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ast.parse('def f(state):\n    return say(state, "no_such")')
    monkeypatch.setitem(said.__globals__, "MODULES", [*MODULES, wrong])
    assert "no_such" in said()


def test_each_cause_of_a_hand_off_to_a_human_has_its_own_words() -> None:
    prompts = load_prompts()
    assert "听不太清" in prompts["failure_human"].text
    assert all("听不太清" not in prompts[name].text for name in ("silent_human", "voice_human"))


def test_a_ticket_is_opened_with_plain_words_for_a_question_and_for_an_incident() -> None:
    opening = load_prompts()["ticket_place"].text
    assert "没有" in opening
    assert "答复" in opening
    assert "联系您" in opening
    assert "发生" not in opening


def test_the_caller_is_told_how_long_a_number_is() -> None:
    text = load_prompts()["ticket_other_number"].text
    assert "回电号码" in text
    assert "十一位" in text


def test_the_safety_prompts_of_the_file_are_those_of_the_dialogue() -> None:
    said = {name for name, prompt in load_prompts().items() if prompt.purpose == "safety"}
    assert said == SAFETY


def test_a_prompt_is_one_or_two_breaths() -> None:
    assert all(len(prompt.text) <= MAX_CHARACTERS for prompt in load_prompts().values())


def test_blanks_are_filled() -> None:
    prompt = load_prompts()["ticket_number"]
    assert prompt.blanks == {"number"}
    assert prompt.fill({"number": "幺三八"}) == "回电号码是幺三八，对吗？"


def test_a_missing_blank_is_named() -> None:
    with pytest.raises(PromptError, match=r"ticket_number.*number"):
        load_prompts()["ticket_number"].fill({})


def test_what_a_caller_says_is_never_taken_for_a_blank() -> None:
    prompt = load_prompts()["ticket_number"]
    assert "{ticket.__class__}" in prompt.fill({"number": "{ticket.__class__}"})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[a]\ntext = ""', "a has no text"),
        ("[a]\npurpose = 'safety'", "a has no text"),
        ('a = "hello"', "a is no table"),
        ('[a]\ntext = "请按OK键"', "Latin letters"),
        (f'[a]\ntext = "{"好" * 61}"', "61 characters"),
        ('[a]\ntext = "您{"', "prompt a"),
        ('[a]\ntext = "您{}"', "blank without a name"),
        ('[a]\ntext = "您{a.b}"', "blank"),
        ('[a]\ntext = "您好"\npurpose = "song"', "purpose"),
        ("[a\n", "cannot be read"),
    ],
)
def test_a_prompt_file_that_cannot_be_used_says_why(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "prompts.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(PromptError, match=complaint):
        load_prompts(path)


def test_a_file_that_is_not_there_or_not_utf_8_says_so(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="cannot be read"):
        load_prompts(tmp_path / "none.toml")
    path = tmp_path / "gbk.toml"
    path.write_bytes('[a]\ntext = "您好"'.encode("gbk"))
    with pytest.raises(PromptError, match="cannot be read"):
        load_prompts(path)
