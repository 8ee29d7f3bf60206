"""Both platforms understand a message alike, or it is refused by the names of its fields."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.clock import BEIJING
from voicebot.exchange.dossier import CATEGORY_NAMES, Dossier, TranscriptTurn
from voicebot.exchange.schema import (
    MessageInvalid,
    Person,
    PoliceOrder,
    Ticket,
    canonical_json,
    content_hash,
    json_schemas,
    read_envelope,
    seal,
)
from voicebot.exchange.schema import codes as known
from voicebot.exchange.schema.envelope import BODIES

AT = datetime(2026, 11, 26, 9, 30, tzinfo=BEIJING)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "exchange"
SECRET = "王小明13800138000"


def ticket(**changes: Any) -> Ticket:
    values: dict[str, Any] = {"number": "T1", "created_at": AT, "matter": "路灯不亮"}
    return Ticket(**{**values, **changes})


def sent(**changes: Any) -> dict[str, Any]:
    """A sound message as plain JSON values."""
    body = ticket(
        division="460106",
        caller=Person(name=SECRET, number="13800138000"),
        transcript=(TranscriptTurn(side="caller", text="路灯不亮", start=0.5, end=2.0),),
    )
    wire = seal(body, subject="T1", sequence=1, sender="12345", sent_at=AT).wire()
    return {**wire, **changes}


def hashed(message: dict[str, Any]) -> str:
    """As a sender that hashes what it sends."""
    return json.dumps({**message, "content_hash": content_hash(message["body"])})


# ── what goes out comes in ───────────────────────────────────────────────────────────

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=40
)
times = st.datetimes(
    min_value=datetime(1970, 1, 1),
    max_value=datetime(2999, 12, 31),
    timezones=st.sampled_from([UTC, BEIJING, timezone(timedelta(hours=-3, minutes=-30))]),
)
turns = st.builds(
    TranscriptTurn,
    side=st.sampled_from(["caller", "bot", "110", "120"]),
    text=texts,
    start=st.floats(0, 1e5, allow_nan=False),
    end=st.floats(0, 1e5, allow_nan=False),
)
tickets = st.builds(
    Ticket,
    number=st.just("T1"),
    created_at=times,
    matter=texts.filter(bool),
    place=texts,
    division=st.sampled_from([None, *known.divisions()]),
    classification=st.sampled_from([None, *known.classification()]),
    department=st.sampled_from([None, *list(known.organisations())[:50]]),
    due_at=st.none() | times,
    flags=st.lists(texts, max_size=3).map(tuple),
    transcript=st.lists(turns, max_size=3).map(tuple),
)


@given(tickets, times)
def test_a_message_is_read_as_it_was_sent(body: Ticket, at: datetime) -> None:
    envelope = seal(body, subject="T1", sequence=1, sender="12345", sent_at=at)
    assert read_envelope(envelope.to_json()) == envelope
    assert envelope.body == body


@given(tickets)
def test_the_hash_is_of_the_content_not_of_its_spelling(body: Ticket) -> None:
    envelope = seal(body, subject="T1", sequence=1, sender="12345", sent_at=AT)
    spelled = json.dumps(envelope.wire(), ensure_ascii=True, indent=3, sort_keys=True)
    assert read_envelope(spelled).content_hash == envelope.content_hash
    assert (
        envelope.content_hash == hashlib.sha256(canonical_json(envelope.wire()["body"])).hexdigest()
    )


def test_canonical_json_is_that_of_rfc_8785() -> None:
    """The example of section 3.2.2."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\x0f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical_json(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_what_the_sender_leaves_out_stays_out() -> None:
    message = sent(body={"number": "T1", "created_at": "2026-11-26T01:30:00Z", "matter": "路灯"})
    envelope = read_envelope(hashed(message))
    assert envelope.wire()["body"] == message["body"]
    assert content_hash(envelope.body) == envelope.content_hash


def test_a_dossier_travels_without_what_is_computed() -> None:
    dossier = Dossier(handoff="H1", revision=1, call_id="C1", caller="", did="12345", category=4)
    envelope = seal(dossier, subject="H1", sequence=1, sender="12345", sent_at=AT)
    assert "category_name" not in envelope.wire()["body"]
    assert read_envelope(envelope.to_json()).body == dossier


def test_half_a_character_from_a_switch_costs_no_hand_off() -> None:
    dossier = Dossier(
        handoff="H1",
        revision=1,
        call_id="C1",
        caller="1380013\ud8008000",
        did="12345",
        line_states={"119": "ring\udfffing"},
        notes=("速来\ud83d",),
        transcript=(TranscriptTurn(side="caller", text="着火了\ud800", start=0, end=1),),
    )
    sent = Dossier.read(dossier.model_dump_json())
    assert sent == dossier
    assert (sent.notes, sent.transcript[0].text) == (("速来?",), "着火了?")


def test_what_is_sealed_again_has_the_same_key() -> None:
    first, again = (
        seal(ticket(), subject="T1", sequence=7, sender="12345", sent_at=at)
        for at in (AT, AT + timedelta(hours=1))
    )
    assert first.id == again.id == "12345:ticket:T1:7"


def test_the_longest_number_still_makes_a_key() -> None:
    number = "C" * 128
    one, two = (
        seal(ticket(number=number), subject=number, sequence=n, sender="110", sent_at=AT)
        for n in (1, 2)
    )
    assert one.id != two.id


# ── what is refused ──────────────────────────────────────────────────────────────────


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    message = sent()
    change(message)
    return hashed(message) if isinstance(message.get("body"), dict) else json.dumps(message)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("kind", lambda m: m.update(kind="order")),
        ("kind", lambda m: m.pop("kind")),
        ("schema_version", lambda m: m.update(schema_version=2)),
        ("id", lambda m: m.update(id="")),
        ("id", lambda m: m.update(id="a b")),
        ("id", lambda m: m.update(id="a" * 129)),
        ("subject", lambda m: m.update(subject="T2")),
        ("sequence", lambda m: m.update(sequence=0)),
        ("sequence", lambda m: m.update(sequence="1")),
        ("sequence", lambda m: m.update(sequence=2**31)),
        ("sender", lambda m: m.update(sender="119")),
        ("sent_at", lambda m: m.update(sent_at="2026-11-26T09:30:00")),
        ("sent_at", lambda m: m.update(sent_at=1790000000)),
        ("body", lambda m: m.pop("body")),
        ("body.matter", lambda m: m["body"].pop("matter")),
        ("body.matter", lambda m: m["body"].update(matter="")),
        ("body.matter", lambda m: m["body"].update(matter="x\0y")),
        ("body.matter", lambda m: m["body"].update(matter="路" * 20_001)),
        ("body.division", lambda m: m["body"].update(division="469999")),
        ("body.classification", lambda m: m["body"].update(classification="99")),
        ("body.department", lambda m: m["body"].update(department="460000-999")),
        ("body.created_at", lambda m: m["body"].update(created_at="2026-02-30T00:00:00Z")),
        ("body.created_at", lambda m: m["body"].update(created_at="2026-01-01T00:00:00.1Z")),
        ("body.created_at", lambda m: m["body"].update(created_at="2026-01-01T00:00:00+00:00")),
        ("body.caller.number", lambda m: m["body"]["caller"].update(number="一二三")),
        ("body.caller.age", lambda m: m["body"]["caller"].update(age=30)),
        ("body.transcript.0.side", lambda m: m["body"]["transcript"][0].update(side="us")),
        ("body.urgent", lambda m: m["body"].update(urgent="yes")),
    ],
)
def test_a_broken_message_is_refused_by_the_name_of_the_field(
    field: str, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(MessageInvalid) as refused:
        read_envelope(changed(change))
    assert refused.value.fields == (field,)
    assert str(refused.value).startswith(f"{field} ")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in leaves(each, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, each in enumerate(value) for leaf in leaves(each, (*path, key))]
    return [path]


@given(st.sampled_from(leaves(sent())), st.sampled_from([SECRET, [SECRET], {SECRET: SECRET}]))
def test_no_error_tells_what_was_in_a_field(path: tuple[Any, ...], value: Any) -> None:
    message = sent()
    parent: Any = message
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    said = complaint(json.dumps(message))
    assert "13800138000" not in said
    assert "王" not in said


def complaint(data: str) -> str:
    try:
        read_envelope(data)
    except MessageInvalid as refused:
        return str(refused)
    return ""


@given(st.sampled_from(leaves(sent()["body"])))
def test_a_body_that_was_changed_on_the_way_is_refused(path: tuple[Any, ...]) -> None:
    message = sent()
    parent: Any = message["body"]
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = "2026-01-01T00:00:00Z" if path == ("created_at",) else "other"
    with pytest.raises(MessageInvalid):
        read_envelope(json.dumps(message))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise_is_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(MessageInvalid):
        read_envelope(data)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_any_json_value_in_place_of_a_body_is_refused(value: Any) -> None:
    with pytest.raises(MessageInvalid):
        read_envelope(json.dumps(sent(body=value)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("[" * 100_000, "valid JSON"),
        ('{"kind": "ticket", "kind": "status"}', "a name twice"),
        (b"{" + b" " * (4 * 2**20) + b"}", "is longer than"),
        (b'{"kind": "\xff"}', "valid JSON"),
        ("[]", "kind|message"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: Any, reason: str) -> None:
    with pytest.raises(MessageInvalid, match=reason):
        read_envelope(data)


@pytest.mark.parametrize("number", [2**60, float(2**53), 1e20, -1e300])
def test_a_number_beyond_exact_json_is_refused(number: float) -> None:
    message = sent()
    message["body"]["transcript"][0]["start"] = number
    message["content_hash"] = "0" * 64
    with pytest.raises(MessageInvalid, match="exact JSON form"):
        read_envelope(json.dumps(message))


# ── codes ────────────────────────────────────────────────────────────────────────────


def test_the_classification_has_three_levels_and_no_gap() -> None:
    codes = known.classification()
    levels = [sum(len(code) == length for code in codes) for length in (2, 4, 6)]
    assert levels[0] >= 20
    assert levels[1] >= 80
    assert levels[2] >= 250
    assert {code[:-2] for code in codes if len(code) > 2} <= codes.keys()
    assert [codes[code] for code in ("12", "1203", "120301")] == [
        "城市管理",
        "市政设施",
        "路灯照明",
    ]


def test_every_division_has_a_hotline_and_a_police_desk() -> None:
    for division in known.divisions():
        for kind in ("12345", "110"):
            organisation = known.organisation_of(division, kind)
            assert organisation is not None
            assert organisation.code == f"{division}-{kind}"


def test_every_organisation_is_in_a_division_and_has_a_name_of_its_own() -> None:
    organisations = known.organisations().values()
    assert {each.division for each in organisations} == set(known.divisions())
    assert all(each.code.startswith(f"{each.division}-") for each in organisations)
    assert len({each.name for each in organisations}) == len(organisations)


@pytest.mark.parametrize("category", CATEGORY_NAMES)
def test_a_police_order_names_one_of_the_seven_categories(category: int) -> None:
    order = PoliceOrder(number="P1", created_at=AT, reason="打架", category=category)
    assert order.category == category


# ── documents ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", BODIES)
def test_the_documented_example_of_each_kind_is_sound(kind: str) -> None:
    data = (DOCS / f"{kind}.example.json").read_bytes()
    assert read_envelope(data).kind == kind


@pytest.mark.parametrize("kind", BODIES)
def test_the_documented_schema_is_that_of_the_models(kind: str) -> None:
    written = json.loads((DOCS / f"{kind}.schema.json").read_text("utf-8"))
    assert written == json_schemas()[kind], "run: voicebot exchange schema docs/exchange"  # type: ignore[index]
