"""Every message of the console is there in both languages, and every key that is used exists."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from voicebot.web.console.catalogue import (
    LANGUAGES,
    Catalogue,
    CatalogueError,
    preferred,
    read_catalogue,
)
from voicebot.web.console.places import HERE, message_files, parts

FLOWS = HERE.parents[2] / "flows"
BROWSER_KEY = re.compile(r"""(?<![\w.])t\(\s*["'`]([^"'`]+)["'`]""")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(message_files())


def templates() -> list[Path]:
    return [file for folder in parts("templates") for file in sorted(folder.rglob("*.html"))]


def scripts() -> list[Path]:
    return [
        file
        for folder in parts("static")
        for file in sorted(folder.rglob("*.js"))
        if "vendor" not in file.parts
    ]


def used_by(template: Path) -> set[str]:
    """Keys of ``t("…")``; one that is put together ends with ``*`` after its fixed beginning."""
    found = set()
    for call in Environment().parse(template.read_text("utf-8")).find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name == "t" and call.args):
            continue
        key = call.args[0]
        if isinstance(key, nodes.Const):
            found.add(str(key.value))
        elif isinstance(key, nodes.Concat) and isinstance(key.nodes[0], nodes.Const):
            found.add(f"{key.nodes[0].value}*")
    return found


@pytest.mark.parametrize("template", templates(), ids=lambda each: each.name)
def test_each_key_of_a_template_is_in_the_catalogue(template: Path, catalogue: Catalogue) -> None:
    for key in used_by(template):
        if key.endswith("*"):
            assert any(each.startswith(key[:-1]) for each in catalogue.keys), key
        else:
            assert key in catalogue.keys, key


@pytest.mark.parametrize("script", scripts(), ids=lambda each: each.name)
def test_each_key_of_a_script_goes_to_the_browser(script: Path, catalogue: Catalogue) -> None:
    sent = catalogue.for_browsers("zh")
    for key in BROWSER_KEY.findall(script.read_text("utf-8")):
        beginning = key.partition("${")[0]
        if beginning != key:
            assert any(each.startswith(beginning) for each in sent), key
        else:
            assert key in sent, key


def test_both_languages_put_in_the_same_values(catalogue: Catalogue) -> None:
    for key in catalogue.keys:
        values = {
            language: set(re.findall(r"{(\w*)[^}]*}", catalogue.text(language, key)))
            for language in LANGUAGES
        }
        assert values["zh"] == values["en"], key


def test_no_message_is_empty(catalogue: Catalogue) -> None:
    for key in catalogue.keys:
        assert all(catalogue.text(language, key).strip() for language in LANGUAGES), key


def test_every_decision_of_the_core_has_a_name(catalogue: Catalogue) -> None:
    decided = {
        name
        for file in FLOWS.rglob("*.py")
        for name in re.findall(r'\bDecide\(\s*"(\w+)"', file.read_text("utf-8"))
    }
    assert len(decided) > 20
    assert {f"decision.{each}" for each in decided} <= catalogue.keys


def test_a_key_that_is_missing_is_shown_and_said(catalogue: Catalogue) -> None:
    assert catalogue.text("zh", "no.such.key") == "no.such.key"
    assert catalogue.name("zh", "outcome", "handed_off") == "已转110"
    assert catalogue.name("zh", "outcome", "something_new") == "something_new"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[a]\nb = { zh = "乙" }', 'a.b needs zh = "…" and en = "…"'),
        ('[a]\nb = "乙"', 'a.b needs zh = "…" and en = "…"'),
        ("[a", "broken.toml"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(CatalogueError) as failed:
        read_catalogue([file])
    assert says in str(failed.value)


def test_a_key_stands_in_one_file_alone(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text('[a]\nb = { zh = "乙", en = "b" }', "utf-8")
    with pytest.raises(CatalogueError, match=r"two\.toml: a\.b is in another file already"):
        read_catalogue([tmp_path / "one.toml", tmp_path / "two.toml"])


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "zh"), ("en-GB,en;q=0.9,zh;q=0.5", "en"), ("fr, zh-CN;q=0.8", "zh"), ("fr", "zh")],
)
def test_a_browser_gets_its_own_language_where_there_is_one(header: str, language: str) -> None:
    assert preferred(header) == language
