"""Follow-up questions: 那要带什么材料 asks about the entry that was answered before it. Pure.

Such a question names an aspect and no subject. It is searched together with the question of the
entry it follows; and where that entry comes back, it is an answer only if it speaks of the aspect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kb.wording import characters, without_fillers


@dataclass(frozen=True, slots=True)
class Aspect:
    """What callers ask further about a matter."""

    name: str
    asked: re.Pattern[str]
    """Its words in a question, all of them."""
    answered: re.Pattern[str]
    """What an answer that speaks of it holds."""


def _aspect(name: str, asked: str, answered: str) -> Aspect:
    return Aspect(name, re.compile(asked), re.compile(answered))


ASPECTS = (
    _aspect(
        "materials",
        r"(?:带|准备|提供|交|拿|用|提交)?(?:一?些|点)?(?:什么|哪些|哪几样|啥)(?:一?些)?(?:材料|资料|证件|手续|证明|东西)"
        r"|(?:带|准备|提供|交|拿|提交)(?:一?些|点)?(?:什么|啥)|(?:材料|资料|证件|手续)(?:有|是)?(?:哪些|什么|啥)"
        r"|带身份证|带户口本|带照片",
        r"带|凭|材料|证件|身份证|户口本|照片|证明|申请表",
    ),
    _aspect(
        "place",
        r"(?:在|去|到|上|是|跑)?(?:哪里|哪儿|哪个地方|什么地方|哪个窗口|什么窗口|哪个部门|哪个单位)|地址|地点",
        r"窗口|大厅|中心|派出所|医院|社区|地址|路|大道|号|所在|到.{0,12}(?:办|申|领|交)|就近",
    ),
    _aspect(
        "fee",
        r"(?:多少|几)(?:块)?钱|(?:怎么|怎样|如何)?收费|什么价|费用|工本费|(?:要不要|用不用|需不需要|要|用)?(?:交|花|出|收)钱|免费",
        r"元|块|免费|不收费|收费|费用|工本费|不要钱",
    ),
    _aspect(
        "duration",
        r"(?:多久|多长时间|几天|多少天|几个工作日|多少个工作日)|什么时候(?:能|可以)?(?:拿到|拿|办好|下来|出来|到账)",
        r"工作日|天|小时|当场|当天|立等|个月|分钟",
    ),
    _aspect(
        "hours",
        r"(?:早上|上午|下午|晚上)?几点(?:钟)?(?:上班|下班|开门|关门|开始|结束)?|(?:周末|星期[六天日]|礼拜[六天]|节假日)(?:上班|开门|办公|休息)?|上不上班|上班时间|工作时间",
        r"点|周一|周五|周六|周末|工作日|小时|节假日",
    ),
    _aspect(
        "phone",
        r"(?:联系)?电话(?:号码)?(?:是)?(?:多少|几号)?|打(?:哪个|什么)(?:电话|号码)|怎么联系",
        r"电话|拨打|打\d|\d{4,}|[零一二三四五六七八九幺]{5,}",
    ),
    _aspect(
        "online",
        r"网上|手机上?|线上|在线|小程序",
        r"网上|手机|海易办|小程序|网站|平台|线上|公众号|椰城|APP|app",
    ),
    _aspect(
        "deputy",
        r"(?:别人|家人|家里人|朋友|他人|家属|老婆|老公|子女|儿子|女儿)?(?:可以|能)?(?:代办|代领|代替|帮忙?办|替我?办)"
        r"|本人|亲自",
        r"代办|代领|委托|代理人|本人|亲自",
    ),
)

_LEADING = re.compile(
    r"^(?:(?:那么|那|还有|另外|然后|对了|好的|好|哦|嗯|再问一下|再问一个|我再问下|再问)[，, ]*)+"
)
_GRAMMAR = re.compile(
    r"那个|这个|那边|这边|我们|是不是|能不能|可不可以|行不行|要不要|用不用|需不需要|有没有|需要|应该|"
    r"可以|一共|大概|一般|具体|办理|怎么|如何|直接|过去|必须|一定|到时候|去办|办得?下来|办好|办|弄|搞|"
    r"[我你您要得能会去到在是的地得了吗呢啊呀吧么嘛就也还都又才行先自己过来它他她，。？！、, ]"
)


def asked_aspect(question: str) -> Aspect | None:
    """The aspect that an elliptic question asks about; None where it names a subject itself."""
    plain = _LEADING.sub("", without_fillers(question))
    for aspect in ASPECTS:
        rest, found = aspect.asked.subn("", plain)
        if found and not characters(_GRAMMAR.sub("", rest)):
            return aspect
    return None


def in_context(question: str, subject: str) -> str:
    """The follow-up as it would have been asked in full."""
    return f"{subject.rstrip('？?。')}，{_LEADING.sub('', without_fillers(question))}"
