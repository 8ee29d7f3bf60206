"""Which department a matter is for: rules first, then the model; a person where it is unsure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz, process

from flows.dispatch import DispatchError, DispatchModel, Rule, propose
from flows.dispatch.duties import Catalogue, read_catalogue
from flows.dispatch.evaluation import evaluate
from flows.dispatch.lines import HELD_OUT, TRAINING, read_lines
from flows.dispatch.model import WEIGHTS
from flows.dispatch.training import train
from voicebot.dispatching import quick_vectors
from voicebot.embedder import SentenceEmbedder

NEAR_COPY = 90
MODEL = DispatchModel.load()
WAGES = "老板拖欠我们三个月工资一直不给"


@pytest.fixture(scope="module")
def embedder(models_dir: Path) -> SentenceEmbedder:
    return SentenceEmbedder(models_dir)


# ── proposals ─────────────────────────────────────────────────────────────────────


def test_a_matter_goes_to_the_countys_department_with_a_reason(
    embedder: SentenceEmbedder,
) -> None:
    found = propose(MODEL, WAGES, quick_vectors(embedder, [WAGES])[0], "460106")
    assert found.department == "海口市龙华区人力资源和社会保障局"
    assert found.by == "model"
    assert found.confidence >= MODEL.threshold
    assert "劳动报酬保障" in found.reason
    assert found.candidates[0] == (found.department, found.confidence)


def test_a_matter_of_many_departments_goes_to_a_person(embedder: SentenceEmbedder) -> None:
    vague = "有件事不知道找谁"
    found = propose(MODEL, vague, quick_vectors(embedder, [vague])[0], None)
    assert (found.department, found.by) == ("", "person")
    assert found.confidence < MODEL.threshold
    assert "人工派单" in found.reason
    assert all(name in found.reason for name, _ in found.candidates)


def test_without_an_embedding_words_alone_are_enough_for_a_plain_matter() -> None:
    found = propose(MODEL, "公积金贷款怎么申请，公积金提取要什么材料", None, None)
    assert found.candidates[0][0] == "海南省住房公积金管理局"


def test_the_same_matter_gets_the_same_proposal() -> None:
    assert propose(MODEL, WAGES, None, None) == propose(MODEL, WAGES, None, None)


@given(st.text(max_size=500), st.sampled_from([None, "460000", "460106", "469029", "999999"]))
def test_whatever_is_said_the_shares_sum_to_one_and_a_reason_is_given(
    said: str, region: str | None
) -> None:
    assert sum(MODEL.probabilities(said, None).values()) == pytest.approx(1, abs=1e-4)
    found = propose(MODEL, said, None, region)
    assert found.reason
    assert 0 <= found.confidence <= 1
    assert bool(found.department) == (found.confidence >= MODEL.threshold)


# ── decided rules ─────────────────────────────────────────────────────────────────

RULE = Rule(("油烟", "烧烤"), "海口市综合行政执法局", "460100", "第三次会商纪要")


def test_what_a_conference_has_decided_goes_first() -> None:
    found = propose(MODEL, "楼下烧烤店油烟很大", None, "460106", [RULE])
    assert (found.department, found.by, found.confidence) == ("海口市综合行政执法局", "rule", 1.0)
    assert "第三次会商纪要" in found.reason


@pytest.mark.parametrize(
    ("said", "region"),
    [
        ("楼下饭店油烟很大", "460106"),
        ("楼下烧烤店油烟很大", "460200"),
        ("楼下烧烤店油烟很大", None),
    ],
)
def test_a_rule_holds_where_all_its_words_are_said_in_its_region(
    said: str, region: str | None
) -> None:
    assert propose(MODEL, said, None, region, [RULE]).by != "rule"


def test_a_rule_without_words_is_never_followed() -> None:
    assert propose(MODEL, WAGES, None, None, [Rule((), "某局")]).by != "rule"


def test_of_several_rules_the_one_that_says_most_counts_then_the_newest() -> None:
    rules = [Rule(("油烟",), "新"), Rule(("油烟",), "旧"), Rule(("油烟", "烧烤"), "详")]
    assert propose(MODEL, "烧烤油烟", None, None, rules).department == "详"
    assert propose(MODEL, "油烟", None, None, rules).department == "新"


# ── data ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "region", "name"),
    [
        ("住建", "460106", "海口市龙华区住房和城乡建设局"),
        ("住建", "469002", "琼海市住房和城乡建设局"),
        ("住建", "460100", "海口市住房和城乡建设局"),
        ("住建", None, "海南省住房和城乡建设厅"),
        ("住建", "460000", "海南省住房和城乡建设厅"),
        ("公安交管", "460106", "海口市公安局交通警察支队"),
        ("海关", "460106", "海口海关"),
        ("住建", "999999", "海南省住房和城乡建设厅"),
    ],
)
def test_a_department_has_its_name_in_each_region(key: str, region: str | None, name: str) -> None:
    assert read_catalogue().departments[key].name(region) == name


def test_each_department_has_duties_and_lines_of_both_kinds() -> None:
    catalogue = read_catalogue()
    for lines in (read_lines(TRAINING), read_lines(HELD_OUT)):
        assert {line.department for line in lines} == set(catalogue.departments)
    assert {duty.department for duty in catalogue.duties} == set(catalogue.departments)
    assert len(read_lines(TRAINING)) >= 1500
    assert len(read_lines(HELD_OUT)) >= 400


def test_no_training_line_is_a_near_copy_of_one_held_out() -> None:
    held_out = [line.text for line in read_lines(HELD_OUT)]
    training = [line.text for line in read_lines(TRAINING)]
    scores = process.cdist(training, held_out, scorer=fuzz.ratio, score_cutoff=NEAR_COPY)
    assert int((scores.max(axis=1) > 0).sum()) == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("人社 工资\n", "line 1"),
        ("人社\t工资\n外星\t飞船\n", "line 2.*外星"),
        ("人社\t\n", "line 1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "lines.tsv"
    file.write_text(content, "utf-8")
    with pytest.raises(DispatchError, match=complaint):
        read_lines(file)


@pytest.mark.parametrize(
    ("departments", "duties", "complaint"),
    [
        ("a,b\n", "", "line 1: the columns"),
        ("甲,甲厅,甲局,village,\n", "", "level"),
        ("甲,甲厅,,county,\n", "", "name is missing"),
        ("甲,甲厅,甲局,county,\n甲,甲厅,甲局,county,\n", "", "line 3, department"),
        ("甲,甲厅,甲局,county,\n", "乙,事,物\n", "乙"),
        ("甲,甲厅,甲局,county,\n", "甲,事,\n", "matters are empty"),
    ],
)
def test_a_wrong_row_of_the_duties_is_named(
    tmp_path: Path, departments: str, duties: str, complaint: str
) -> None:
    first, second = tmp_path / "departments.csv", tmp_path / "responsibilities.csv"
    heading = "" if "columns" in complaint else "department,province,local,level,aliases\n"
    first.write_text(heading + departments, "utf-8")
    second.write_text("department,duty,matters\n" + duties, "utf-8")
    with pytest.raises(DispatchError, match=complaint):
        read_catalogue(first, second)


def test_weights_that_are_missing_damaged_or_of_other_duties_say_what_to_do(
    tmp_path: Path,
) -> None:
    file = tmp_path / "dispatch.npz"
    with pytest.raises(DispatchError, match=r"missing.*dispatch train"):
        DispatchModel.load(file)
    file.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(DispatchError, match=r"damaged.*dispatch train"):
        DispatchModel.load(file)
    np.savez(file, version=np.array(1), catalogue=np.array("other"))
    with pytest.raises(DispatchError, match=r"other duties.*dispatch train"):
        DispatchModel.load(file)


# ── training and figures ──────────────────────────────────────────────────────────


def test_training_gives_the_same_weights_for_the_same_lines(tmp_path: Path) -> None:
    whole, keys = read_catalogue(), ("人社", "医保", "住建", "供电")
    some = Catalogue(
        {key: whole.departments[key] for key in keys},
        tuple(duty for duty in whole.duties if duty.department in keys),
    )
    lines = tmp_path / "some.tsv"
    written = [line for line in read_lines(TRAINING) if line.department in keys]
    lines.write_text("".join(f"{each.department}\t{each.text}\n" for each in written), "utf-8")
    questions = [written[:5], written[40:45]]
    for name in ("a", "b"):
        train(_letters, questions, training=lines, catalogue=some, target=tmp_path / name)
    first, second = (DispatchModel.load(tmp_path / name, some) for name in ("a", "b"))
    vector = _letters([WAGES])[0]
    assert first.probabilities(WAGES, vector) == second.probabilities(WAGES, vector)
    assert next(iter(first.probabilities(WAGES, vector))) == "人社"


def test_on_lines_held_out_it_is_better_than_majority_and_nearest_neighbour(
    embedder: SentenceEmbedder,
) -> None:
    report = evaluate(
        MODEL,
        read_lines(HELD_OUT),
        lambda texts: quick_vectors(embedder, texts),
    )
    assert report.top_1 > report.nearest > report.majority
    assert report.right_of_proposed > 0.85


def _letters(texts: object) -> np.ndarray:
    """A poor embedding: which characters there are."""
    rows = np.zeros((len(texts), 64), np.float32)  # type: ignore[arg-type]
    for row, text in zip(rows, texts, strict=True):  # type: ignore[call-overload]
        for character in text:
            row[ord(character) % 64] += 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def test_the_catalogue_finds_a_department_by_the_knowledge_bases_name() -> None:
    catalogue: Catalogue = read_catalogue()
    assert catalogue.by_alias("省人社厅") == "人社"
    assert catalogue.by_alias("火星厅") is None
