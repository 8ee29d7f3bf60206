"""A link to a hand-off holds as it was made, and in no other way."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.agents.links import MOST_S, LinkRefused, Links, base_of, open_links
from voicebot.config import Settings, load_settings

NOW = 1_790_000_000.0
LINKS = Links(b"k" * 32, "https://12345.example")


def parts(url: str) -> tuple[str, dict[str, str]]:
    """Hand-off and query, as the service has them."""
    split = urlsplit(url)
    return unquote(split.path.rpartition("/")[2]), dict(parse_qsl(split.query))


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable()))
def test_a_link_holds_for_its_hand_off(handoff: str) -> None:
    named, query = parts(LINKS.url(handoff, now=NOW))
    assert named == handoff
    assert LINKS.check(handoff, query, NOW + 60) == int(NOW) + 24 * 3600


@given(st.data())
def test_a_link_changed_in_any_character_does_not(data: st.DataObject) -> None:
    _, query = parts(LINKS.url("c1-h1", now=NOW))
    name = data.draw(st.sampled_from(["until", "key"]))
    at = data.draw(st.integers(0, len(query[name]) - 1))
    other = data.draw(st.characters().filter(lambda char: char != query[name][at]))
    changed = {**query, name: query[name][:at] + other + query[name][at + 1 :]}
    with pytest.raises(LinkRefused):
        LINKS.check("c1-h1", changed, NOW)


@pytest.mark.parametrize(
    "query", [{}, {"until": "1900000000"}, {"until": "", "key": ""}, {"until": "９", "key": "x"}]
)
def test_a_link_without_its_signature_does_not(query: dict[str, str]) -> None:
    with pytest.raises(LinkRefused):
        LINKS.check("c1-h1", query, NOW)


def test_a_link_does_not_hold_for_another_hand_off() -> None:
    _, query = parts(LINKS.url("c1-h1", now=NOW))
    with pytest.raises(LinkRefused):
        LINKS.check("c1-h2", query, NOW)


def test_a_link_of_another_machines_key_does_not_hold() -> None:
    _, query = parts(Links(b"x" * 32, "").url("c1-h1", now=NOW))
    with pytest.raises(LinkRefused):
        LINKS.check("c1-h1", query, NOW)


def test_a_link_expires_to_the_second() -> None:
    _, query = parts(LINKS.url("c1-h1", now=NOW, valid_s=3600))
    LINKS.check("c1-h1", query, NOW + 3599)
    with pytest.raises(LinkRefused):
        LINKS.check("c1-h1", query, NOW + 3600)


def test_no_link_holds_for_longer_than_a_month() -> None:
    _, query = parts(LINKS.url("c1-h1", now=NOW, valid_s=1e9))
    assert int(query["until"]) == int(NOW + MOST_S)


def test_the_key_is_made_once_and_is_its_owners_alone(settings: Settings) -> None:
    first, second = open_links(settings), open_links(settings)
    assert first.key == second.key
    file = settings.paths.state / "secrets" / "handoff-links.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.key) >= 32


def test_links_begin_with_where_110_reaches_the_service(settings: Settings, tmp_path: Path) -> None:
    assert base_of(settings) == f"http://127.0.0.1:{settings.server.port}"
    file = tmp_path / "public.toml"
    file.write_text(
        f'[paths]\nstate = "{tmp_path}"\n[notices]\npublic_url = "https://12345.example/"\n'
    )
    assert base_of(load_settings(file)) == "https://12345.example"
