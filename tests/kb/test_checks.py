"""Each check finds its own fault, says where and what to do, and leaves good entries alone."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.checks import CODES, Finding, Severity, in_order
from kb.checks_pairs import alike, check_pairs
from kb.checks_retrieval import check_retrieval
from kb.checks_text import check_texts, speaking_seconds
from kb.entry import Entry
from kb.facts import contradicting, facts
from kb.search import Candidate, SearchResult
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry

GOOD: dict[str, Any] = {
    "answer": "请带身份证到政务服务中心办理。",
    "source": "海南省政务服务条例",
    "channel": "https://www.hainan.gov.cn/fw",
    "valid_to": date(2027, 12, 31),
}


def texts(**changes: object) -> list[Finding]:
    return list(check_texts([make_entry("a-1", "怎么办证", **(GOOD | changes))], TODAY))


def test_a_good_entry_has_no_findings() -> None:
    assert texts() == []
    assert texts(answer="二〇二六年起，缴费比例是5%，打12393或者登录海易办APP查询（免费）。") == []


@pytest.mark.parametrize(
    ("changes", "code", "severity", "words"),
    [
        ({"answer": "请" + "带身份证，" * 38}, "too_long", Severity.WARNING, "秒"),
        ({"answer": "请" + "带身份证，" * 60}, "too_long", Severity.ERROR, "秒"),
        ({"answer": "请登录website办理。"}, "unreadable", Severity.ERROR, "website"),
        ({"answer": "请带①身份证。"}, "unreadable", Severity.ERROR, "①"),
        ({"answer": "请带★身份证。"}, "unreadable", Severity.ERROR, "★"),
        ({"answer": "请到𠮷祥路办理。"}, "unreadable", Severity.ERROR, "𠮷"),
        ({"source": " "}, "missing_source", Severity.WARNING, "依据"),
        ({"source": "演示口径"}, "missing_source", Severity.NOTE, "演示口径"),
        ({"valid_to": TODAY + timedelta(30)}, "expires_soon", Severity.WARNING, "30 天"),
        ({"valid_to": TODAY - timedelta(1)}, "expires_soon", Severity.ERROR, "已于"),
        ({"channel": "http://localhost:8080/fw"}, "dead_link", Severity.WARNING, "localhost"),
        ({"channel": "http://192.168.1.7/a"}, "dead_link", Severity.WARNING, "内部"),
        ({"channel": "https://www.example.com"}, "dead_link", Severity.WARNING, "示例"),
        ({"channel": "https://hainan"}, "dead_link", Severity.WARNING, "不完整"),
        ({"source": "https://t.cn/A6x"}, "dead_link", Severity.WARNING, "短网址"),
        ({"answer": "请打96377反映。"}, "dead_link", Severity.ERROR, "12345"),
    ],
)
def test_a_fault_of_one_entry_is_found(
    changes: dict[str, object], code: str, severity: Severity, words: str
) -> None:
    findings = [f for f in texts(**changes) if f.code == code]
    assert [(f.severity, f.entry) for f in findings] == [(severity, "a-1")]
    assert words in findings[0].reason + findings[0].advice
    assert findings[0].advice


def test_what_ends_later_is_left_alone_unless_asked_for() -> None:
    entry = make_entry("a-1", "怎么办证", **(GOOD | {"valid_to": TODAY + timedelta(31)}))
    assert list(check_texts([entry], TODAY)) == []
    assert [f.code for f in check_texts([entry], TODAY, soon_days=60)] == ["expires_soon"]


@given(st.text(max_size=80))
def test_any_text_can_be_checked(answer: str) -> None:
    assert speaking_seconds(answer) >= 0
    for finding in texts(answer=answer):
        assert finding.code in CODES
    facts(answer)


def test_the_same_question_twice_is_a_near_duplicate(embedder: LetterEmbedder) -> None:
    entries = [
        make_entry("a-1", "社保卡丢了怎么补办"),
        make_entry("a-2", "请问社保卡丢了怎么补办？"),
        make_entry("a-3", "公交车几点收班"),
    ]
    findings = list(check_pairs(entries, embedder.embed))
    assert [(f.code, f.entry, f.other) for f in findings] == [("near_duplicate", "a-1", "a-2")]


def test_a_variant_that_is_anothers_question_is_a_near_duplicate(embedder: LetterEmbedder) -> None:
    entries = [
        make_entry("a-1", "公交车几点收班", variants=("社保卡丢了怎么补办",)),
        make_entry("a-2", "社保卡丢了怎么补办"),
    ]
    assert [(p.first.id, p.second.id, p.same) for p in alike(entries, embedder.embed)] == [
        ("a-1", "a-2", True)
    ]


@pytest.mark.parametrize(
    "changes", [{"region": "460200"}, {"lines": ("12333",)}, {"audience": "企业"}]
)
def test_entries_for_other_callers_are_not_compared(
    embedder: LetterEmbedder, changes: dict[str, object]
) -> None:
    shared = {"region": "460100", "lines": ("12345",), "audience": "个人"}
    entries = [
        make_entry("a-1", "补办社保卡要多少钱", answer="收二十元。", **shared),
        make_entry("a-2", "补办社保卡要多少钱", answer="收30元。", **(shared | changes)),
    ]
    assert list(check_pairs(entries, embedder.embed)) == []


def test_different_figures_for_the_same_question_contradict(embedder: LetterEmbedder) -> None:
    entries = [
        make_entry("a-1", "补办社保卡要多少钱", answer="收二十元，三个工作日办好。"),
        make_entry("a-2", "补办社保卡要多少钱呢", answer="收30元，3个工作日办好。"),
    ]
    findings = [f for f in check_pairs(entries, embedder.embed) if f.code == "contradiction"]
    assert [(f.severity, f.entry, f.other) for f in findings] == [(Severity.ERROR, "a-1", "a-2")]
    assert "金额不一致：二十 / 三十" in findings[0].reason


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ("3个工作日内办结。", "五个工作日内办结。", {"期限"}),
        ("3天办好", "三天办好", set()),
        ("满60周岁可以办", "满六十五岁可以办", {"年龄"}),
        ("打0898-66529999", "打0898-66529990", {"电话"}),
        ("打0898-66529999", "打089866529999", set()),
        ("地址是海府路59号", "地址是海府路61号", {"地址"}),
        ("交5%", "交8%", {"比例"}),
        ("上午八点开门", "上午9点开门", {"时刻"}),
        ("收20元或者30元", "收30元", set()),
        ("不收费", "收30元", set()),
    ],
)
def test_facts_are_compared_by_kind(first: str, second: str, kinds: set[str]) -> None:
    assert set(contradicting(first, second)) == kinds


def test_a_question_that_finds_another_entry_is_told(
    embedder: LetterEmbedder, entries: list[Entry]
) -> None:
    stolen = make_entry("b-1", "低保怎么申请", variants=("社保卡丢了怎么补办呀",))
    progress: list[tuple[int, int]] = []
    findings = list(
        check_retrieval(
            [*entries, stolen], embedder, TODAY, progress=lambda *at: progress.append(at)
        )
    )
    assert ("b-1", "a-1") in {(f.entry, f.other) for f in findings}
    assert Severity.ERROR not in {f.severity for f in findings}
    assert progress[-1][0] == progress[-1][1] == len(progress)


class AlwaysTheFirst:
    """A search that finds a-1 whatever is asked."""

    def __init__(self, *_: object) -> None:
        pass

    def search(self, *_: object, **__: object) -> SearchResult:
        return SearchResult("answer", "a-1", (Candidate("a-1", 0.9),))


def test_a_question_that_finds_another_even_while_it_is_there_is_an_error(
    embedder: LetterEmbedder, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb.checks_retrieval.Searcher", AlwaysTheFirst)
    findings = list(check_retrieval(entries[:2], embedder, TODAY))
    assert [(f.severity, f.entry, f.other) for f in findings] == [
        (Severity.ERROR, "a-2", "a-1"),
        (Severity.ERROR, "a-2", "a-1"),
    ]


def test_an_entry_found_by_its_other_wordings_is_no_finding(
    embedder: LetterEmbedder,
) -> None:
    entries = [
        make_entry(
            "a-1", "社保卡丢了怎么补办", variants=("社保卡丢了怎么补", "社保卡丢了去哪补办")
        ),
        make_entry("a-2", "公租房怎么申请", variants=("怎么申请公租房", "公租房去哪申请")),
    ]
    assert list(check_retrieval(entries, embedder, TODAY)) == []


def test_the_worst_comes_first() -> None:
    def found(code: str, severity: Severity) -> Finding:
        return Finding(code, severity, "a-1", "r", "a")

    findings = [
        found("missing_source", Severity.NOTE),
        found("contradiction", Severity.ERROR),
        found("too_long", Severity.ERROR),
    ]
    assert [f.code for f in in_order(findings)] == ["too_long", "contradiction", "missing_source"]
