"""Who is told next, receipts' tokens, and settings of notices that would leak."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voicebot.config_notices import Notices
from voicebot.duty.notices.receipts import receipt_of
from voicebot.duty.notices.secret import (
    kept_key,
    notice_secret,
    receipt_token,
    signature_headers,
    token_fits,
)
from voicebot.duty.notices.telling import Alarm, DeskAlone, Tell, next_step
from voicebot.duty.rota import SUPERIOR, Shift

SECRET = b"secret"
WEBHOOK = "https://example.com/x"


@given(st.lists(st.sampled_from("甲乙丙丁"), max_size=5), st.booleans())
def test_each_person_is_told_once_in_order_and_then_there_is_the_alarm(
    names: list[str], reachable: bool
) -> None:
    people = [
        Shift("119", "", name, rank, webhook=WEBHOOK if reachable or rank % 2 else "")
        for rank, name in enumerate(names, 1)
    ]
    told: list[str] = []
    while isinstance(step := next_step(people, told, has_rota=True, channels={"webhook"}), Tell):
        told.append(step.person.person)
    assert isinstance(step, Alarm)
    assert told == list(dict.fromkeys(each.person for each in people if each.webhook))


def test_only_channels_of_the_settings_are_used() -> None:
    person = Shift("119", "", "甲", SUPERIOR, phone="13800138001", email="a@example.com")
    step = next_step([person], [], has_rota=True, channels={"webhook", "email"})
    assert isinstance(step, Tell)
    assert step.channels == {"email": "a@example.com"}
    assert not step.own_line
    assert next_step([person], [], has_rota=False, channels={"email"}) == DeskAlone()


def test_a_receipts_token_fits_its_receipt_alone() -> None:
    token = receipt_token(SECRET, "0123456789abcdef-1")
    assert token_fits(SECRET, "0123456789abcdef-1", token)
    assert not token_fits(SECRET, "0123456789abcdef-2", token)
    assert not token_fits(b"other", "0123456789abcdef-1", token)
    assert not token_fits(SECRET, "0123456789abcdef-1", None)
    assert receipt_of("0123456789abcdef-1") == ("0123456789abcdef", 1)
    assert receipt_of("../x-1") is None


def test_the_signature_is_that_of_the_specification() -> None:
    headers = signature_headers(SECRET, "msg_1", 1_700_000_000.9, b"{}")
    assert headers["webhook-timestamp"] == "1700000000"
    assert len(base64.b64decode(headers["webhook-signature"].removeprefix("v1,"))) == 32


def test_the_key_is_made_once_and_kept_private(settings: Any) -> None:
    made = notice_secret(settings)
    assert notice_secret(settings) == made
    file = settings.paths.state / "secrets" / "notices.key"
    assert file.stat().st_mode & 0o077 == 0


def test_processes_that_begin_at_once_have_the_same_key(tmp_path: Path) -> None:
    """Of two containers each may be process number 1; here they are one."""
    together = threading.Barrier(8)

    def begin(_: int) -> bytes:
        together.wait()
        return kept_key(tmp_path / "notices.key")

    with ThreadPoolExecutor(8) as processes:
        keys = set(processes.map(begin, range(8)))
    (key,) = keys
    assert len(key) == 64
    assert [each.name for each in tmp_path.iterdir()] == ["notices.key"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"sms_url": "http://10.0.0.9/sms"}, "only over https"),
        ({"text": "{caller}"}, "there is no {caller}"),
        ({"text": "{line"}, "braces"),
        ({"smtp_host": "127.0.0.1"}, "smtp_from"),
        (
            {"smtp_host": "10.0.0.9", "smtp_from": "a@example.com", "smtp_security": "none"},
            "only encrypted",
        ),
    ],
)
def test_settings_that_would_leak_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Notices(**values)
