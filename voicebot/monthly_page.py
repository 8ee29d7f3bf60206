"""The monthly report as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from voicebot import monthly_charts
from voicebot.asked import Outcome
from voicebot.monthly import OUTCOME_NAMES, Monthly

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.6 "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a202c; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.note { color: #4a5568; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
.figures li { background: #edf2f7; border-radius: .4rem; padding: .6rem .8rem; flex: 1;
  white-space: nowrap; }
.figures b { display: block; font-size: 1.5rem; line-height: 1.3; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e2e8f0;
  vertical-align: top; }
th { background: #f7fafc; } .n { text-align: right; white-space: nowrap; }
svg { width: 100%; height: auto; }
@media print { body { margin: 0; max-width: none; } tr, svg { break-inside: avoid; } }
"""


def page(report: Monthly) -> str:
    """The whole page, UTF-8."""
    return "".join(
        (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>12345 热线高频问题月报 {report.month}</title><style>{STYLE}</style>",
            f"<h1>12345 热线高频问题月报</h1><p class=note>{_period(report)}</p>",
            _figures(report),
            *(_body(report) if report.total else ("<p>本月没有来电人提问的记录。</p>",)),
            "</html>\n",
        )
    )


def _body(report: Monthly) -> Iterable[str]:
    yield f"<h2>每日趋势</h2>{monthly_charts.by_day(report)}"
    if report.frequent:
        yield f"<h2>高频问题</h2>{monthly_charts.most_frequent(report)}{_frequent(report)}"
    yield f"<h2>各部门</h2>{monthly_charts.by_department(report)}{_departments(report)}"
    if report.gaps:
        yield (
            "<h2>未能答好的问题</h2><p class=note>请建议部门补充口径并提交审核。"
            "意思相同的问法合在一行，例句已隐去个人信息。</p>"
        )
        yield _gaps(report)
    yield "<h2>来电地区</h2>" + table(("地区", "问题数"), report.regions, numbers=(1,))


def _period(report: Monthly) -> str:
    days = report.month.days
    return f"{days[0]} 至 {days[-1]}（北京时间），机器人接听的来电"


def _figures(report: Monthly) -> str:
    shares = "".join(
        f"<li>{name}<b>{report.share(outcome):.1%}</b>{report.outcomes.get(outcome, 0)} 次</li>"
        for outcome, name in OUTCOME_NAMES.items()
    )
    before = sum(report.before.values())
    change = f"，上月 {before} 个" if before else ""
    return (
        f"<ul class=figures><li>来电<b>{report.calls}</b>有提问的通话</li>"
        f"<li>问题<b>{report.total}</b>个{change}</li>{shares}</ul>"
    )


def _frequent(report: Monthly) -> str:
    return table(
        ("问题", "部门", "次数", "上月", "来电人不满意"),
        [(f.question, f.department, f.count, f.before, f.objected) for f in report.frequent],
        numbers=(2, 3, 4),
    )


def _departments(report: Monthly) -> str:
    return table(
        ("部门", "问题数", *OUTCOME_NAMES.values(), "已发布条目"),
        [
            (d.name, d.asked, *(d.outcomes.get(outcome, 0) for outcome in OUTCOME_NAMES),
             d.published)
            for d in report.departments
        ],
        numbers=range(1, len(OUTCOME_NAMES) + 3),
    )  # fmt: skip


def _gaps(report: Monthly) -> str:
    return table(
        ("问题", "次数", "情况", "地区", "建议部门", "其他问法"),
        [
            (
                line.question,
                line.count,
                _counts({OUTCOME_NAMES[Outcome(k)]: n for k, n in line.outcomes.items()}),
                _counts(line.regions),
                department,
                "；".join(line.examples[1:]),
            )
            for line, department in report.gaps
        ],
        numbers=(1,),
    )


def _counts(counts: dict[str, int]) -> str:
    return "、".join(f"{name} {count}" for name, count in counts.items())


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = ()
) -> str:
    """Cells escaped; the columns `numbers` stand to the right."""
    right = set(numbers)

    def line(tag: str, cells: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{escape(str(cell))}</{tag}>"
            for place, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"
