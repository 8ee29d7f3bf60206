"""The wording of the bot: complete, speakable, checked when it is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flows
from flows.prompts import MAX_CHARACTERS, PromptError, load_prompts
from flows.speaking import SAFETY

SOURCES = [
    path.read_text("utf-8") for path in Path(flows.__path__[0]).glob("*.py")
]  # triage says nothing


def test_every_prompt_that_is_said_exists_and_every_prompt_is_said() -> None:
    quoted = {name for source in SOURCES for name in re.findall(r'"([a-z0-9_]+)"', source)}
    prompts = set(load_prompts())
    greetings = {name for name in prompts if name.startswith("greeting_")}  # by configuration
    assert prompts - greetings <= quoted


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
