"""What other systems and people's programs post: envelopes, signed requests, JSON bodies."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError

from tests.fuzz.mutation import changed, changed_json, json_text, mutated
from tests.fuzz.target import Target, tells
from voicebot.duty.notices.receipts import receipt_of
from voicebot.duty.notices.secret import token_fits
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.keys import Key
from voicebot.exchange.schema import MessageInvalid, read_envelope
from voicebot.exchange.schema.canonical import content_hash
from voicebot.exchange.signing import SignatureRefused, Signer, Verifier
from voicebot.masking import mask
from voicebot.request_body import RequestBody
from voicebot.web.assist import Question
from voicebot.web.callers import Appeal, Done, Judged, LimitWanted, Mark, Review
from voicebot.web.carriers import Announced
from voicebot.web.console.agent.acts import PresenceModel
from voicebot.web.console.agent.forms import Closing, Typed
from voicebot.web.disputes import RuleModel
from voicebot.web.incidents import AnnouncementModel, MergeModel, SplitModel
from voicebot.web.knowledge.models import ActModel as EntryAct
from voicebot.web.knowledge.models import Change, ToPublish, ToSay
from voicebot.web.matters import MatterModel
from voicebot.web.reloading import ReloadWanted
from voicebot.web.surge import FiguresTold, OrderWanted
from voicebot.web.tickets import ActModel

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "exchange"
ENVELOPES: list[Any] = [
    json.loads(file.read_text("utf-8")) for file in sorted(EXAMPLES.glob("*.example.json"))
]


def _sealed(envelope: Any, body: Any) -> bytes:
    """With the hash of what its body has become, so that more than the hash is looked at."""
    value = {**envelope, "body": body}
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        value["content_hash"] = content_hash(body)
    return json.dumps(value).encode()


def _with_body(envelope: Any) -> SearchStrategy[bytes]:
    return st.builds(_sealed, st.just(envelope), changed_json([envelope["body"]]))


def _envelope(data: bytes) -> None:
    try:
        envelope = read_envelope(data)
    except MessageInvalid as error:
        tells(error)
        return
    again = read_envelope(envelope.to_json())
    assert again.content_hash == envelope.content_hash
    assert again.wire() == envelope.wire()


def _dossier(value: Any) -> None:
    try:
        dossier = Dossier.model_validate(value)
    except ValidationError:
        return
    dossier.model_dump_json().encode()


NOW = 1_790_000_000.0
KEYS = {"110-1": Key("110-1", "110", b"p" * 32)}
URL = "https://hotline.example/v1/exchange/messages?page=2"


def _signed() -> dict[str, str]:
    request = httpx.Request(
        "POST", URL, content=b"{}", headers={"Content-Type": "application/json"}
    )
    Signer(KEYS, "110-1", clock=lambda: NOW).sign(request)
    return dict(request.headers)


SIGNED = _signed()
_WORDS = (
    b"exchange=", b"sig1=", b":", b"();", b"created=", b";created=-1", b"keyid=", b'keyid=""',
    b"nonce=", b"tag=", b'"@method"', b'"@path";sf', b'"@query-param";name="page"', b'"@status"',
    b'"content-digest";bs', b'"content-digest";req', b"sha-256=:", b"sha-512=:AA==:", b"?1",
    b"99999999999999999", b'"@target-uri"', b'"x";key="a"', b"==", b"alg=", b'alg="rsa-pss-sha512"',
)  # fmt: skip
_LINES = [(name, value.encode()) for name, value in SIGNED.items()]


def _header_lines() -> SearchStrategy[list[tuple[str, str]]]:
    """The lines of a signed request with a few values spoilt, lines left out or sent twice."""
    spoilt = [
        st.just((name, value.decode()))
        | mutated([value], _WORDS).map(lambda data, name=name: (name, data.decode("latin-1")))
        for name, value in _LINES
    ]
    lines = st.tuples(*spoilt).map(list)
    drop = st.lists(st.integers(0, len(_LINES) - 1), max_size=2)
    twice = st.lists(st.integers(0, len(_LINES) - 1), max_size=2)

    def put(
        found: list[tuple[str, str]], without: list[int], again: list[int]
    ) -> list[tuple[str, str]]:
        kept = [line for at, line in enumerate(found) if at not in without]
        return kept + [found[at] for at in again]

    return st.builds(put, lines, drop, twice)


def _signature(case: tuple[list[tuple[str, str]], bytes, str, str]) -> None:
    headers, body, method, url = case
    verifier = Verifier(KEYS, clock=lambda: NOW)
    try:
        verified = verifier.verify(method, url, headers, body)
    except SignatureRefused as error:
        tells(error)
        return
    assert (verified.owner, method.upper(), url, body) == ("110", "POST", URL, b"{}")


BODIES: list[tuple[type[RequestBody], Any]] = [
    (MatterModel, {"text": "有人打架，快来", "channel": "app", "place": "海口", "region": "460100",
                   "name": "张三", "number": "13800000000", "confidential": True,
                   "want": "ticket"}),
    (Question, {"transcript": [{"speaker": "caller", "text": "停水了"}], "region": "460100",
                "line": "12345", "limit": 3}),
    (LimitWanted, {"number": "13800000000", "reason": "骚扰", "why": "多次", "evidence": ["C1"],
                   "days": 30}),
    (Review, {"why": "已改正", "lift": True}),
    (Appeal, {"number": "13800000000", "why": "不是我"}),
    (Mark, {"call": "C1", "reason": "骚扰"}),
    (Done, {"call": "C1", "note": "已回拨"}),
    (Judged, {"call": "C1", "number": "13800000000", "ticket": "T1", "score": 3}),
    (Announced, {"uuid": "40325ec2-5efd-4bd3-805f-53576e581d13", "caller": "1", "did": "12345",
                 "rate": 8000}),
    (RuleModel, {"words": ["噪音"], "department": "城管局", "source": "纪要",
                 "region": "460100"}),
    (MergeModel, {"other": "I2"}),
    (SplitModel, {"handoffs": ["H1", "H2"]}),
    (AnnouncementModel, {"text": "正在抢修", "did": "12345", "region": "460100"}),
    (FiguresTold, {"lines": [{"line": "12345", "groups": [{"region": "460100", "local": False,
                                                       "staffed": 10, "free": 3}],
                              "waiting": 3, "oldest_wait_s": 20.0, "arrivals_per_min": 2.5}]}),
    (OrderWanted, {"order": "bot_first", "line": "12345", "minutes": 60, "why": "台风"}),
    (ActModel, {"act": "dispatch", "department": "城管局", "kind": "complaint", "why": "",
                "classification": "0102", "region": "460100", "category": 3}),
    (Change, {"question": "社保卡丢了怎么办", "variants": ["社保卡不见了"], "answer": "打12333",
              "category": "社保", "department": "人社局", "safety": "none",
              "valid_from": "2026-01-01", "valid_to": "2027-01-01", "submit": True}),
    (EntryAct, {"act": "rollback", "version": 2, "at": "2026-11-26T09:30"}),
    (ToPublish, {"entries": ["a-1"], "at": "2026-11-26T09:30:00+08:00", "why": "台风"}),
    (ToSay, {"entry": "a-1", "version": 3, "region": "460100"}),
    (Typed, {"typed": {"matter": "路灯坏了", "kind": "complaint", "confidential": True},
             "version": 4}),
    (Closing, {"disposition": "answered", "version": 1}),
    (PresenceModel, {"presence": "wrap_up"}),
    (ReloadWanted, {"dry_run": True}),
]  # fmt: skip


def _bodies() -> SearchStrategy[tuple[type[RequestBody], Any]]:
    changes = st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 99), changed_json([None, "", 0, [], {}])),
        max_size=4,
    )
    return st.builds(
        lambda body, edits: (body[0], changed(body[1], edits)), st.sampled_from(BODIES), changes
    )


def _body(case: tuple[type[RequestBody], Any]) -> None:
    """As FastAPI reads a body: what is taken is what was written, and can be written again."""
    model, value = case
    try:
        taken = model.model_validate(value)
    except ValidationError as error:
        tells(error)
        return
    for number in _numbers(taken.model_dump()):
        assert math.isfinite(number)
    assert _as_written(value, taken.model_dump(mode="json"))
    assert model.model_validate_json(taken.model_dump_json()) == taken


def _as_written(value: Any, taken: Any) -> bool:
    """Nothing was left out, and no type was guessed."""
    match value:
        case dict():
            return all(_as_written(each, taken[name]) for name, each in value.items())
        case list():
            return len(value) == len(taken) and all(map(_as_written, value, taken))
        case str():
            return isinstance(taken, str)
        case bool() | None:
            return taken is value
        case _:
            return type(taken) in (int, float) and taken == value


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


def _masked(value: Any) -> None:
    mask(value)


def _receipt(text: str) -> None:
    receipt_of(text)
    assert not token_fits(b"k" * 32, text, text)


TARGETS = (
    Target(
        "exchange_envelopes",
        st.one_of(json_text(ENVELOPES), *map(_with_body, ENVELOPES)),
        _envelope,
    ),
    Target("dossiers", changed_json([ENVELOPES[2]["body"]]), _dossier),
    Target(
        "signed_requests",
        st.tuples(
            _header_lines(),
            st.just(b"{}") | st.binary(max_size=20),
            st.sampled_from(("POST", "POST", "post", "GET", "")),
            st.just(URL)
            | st.sampled_from((URL + "&x", "https://h/%zz?", "https://[::1]:0/", "x:")),
        ),
        _signature,
    ),
    Target("api_bodies", _bodies(), _body),
    Target("masking", changed_json([*ENVELOPES, {"at": "张三，13800000000"}]), _masked),
    Target("receipts", st.text(max_size=60) | st.from_regex(r"[a-z0-9]+[-.][0-9]+"), _receipt),
)
