"""Understanding short replies: yes, no, which of two, a name, a place, a correction. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from flows import jurisdiction, small_talk
from flows.wording import LONGEST_REPLY, bare, plain

_YES = re.compile(
    r"嗯|对|是|好|没错|可以|行|要得|正确|没问题|就是|就这个|就打|打这个|这个|ok", re.IGNORECASE
)
_NOT_YES = re.compile(
    r"不|错了|没有|对不起|换|别的|(?:另外|还有)(?:一|的)?个?(?:号|电话|手机)"
    r"|我(?!自己).{1,3}的|老[公婆]|儿子|女儿"
)
_NO = re.compile(r"不|没|错|换|另外|别的|冇|对不起|不好意思")
_NOT_NO = re.compile(r"没有?错|没有?问题|不错|没关系")
_NO_CALL = re.compile(r"(?:不用|不要|不需要|不必|别)(?:给我|再)?(?:回|打)(?:我|个)?(?:电话|复)?")

_FIRST = re.compile(r"第一|前一|前面|前者|头一|^一$|^(?:是|对|嗯)(?:的|啊|呀)?$")
_SECOND = re.compile(r"第二|后一|后面|后者|^二$")
_NOT_FIRST = re.compile(
    r"(?:不是|不要|不选)(?:前面的?|前者|第一个?|前一个?)|(?:第一个?|前面的?|前者)不是"
)
_NOT_SECOND = re.compile(
    r"(?:不是|不要|不选)(?:后面的?|后者|第二个?|后一个?)|(?:第二个?|后面的?|后者)不是"
)
_NEITHER = re.compile(r"都不|两个不|不是|没有|别的|其他|另外")

ANONYMOUS = "匿名"
_DECLINES_NAME = re.compile(r"匿名|保密|不想说|不愿意|不方便|不留|不用留|不告诉|不说了?$")
_NAME = re.compile(
    r"(?:我?(?:姓名(?:是|叫)?|名字(?:是|叫)?|姓|叫我|叫做?|免贵姓?|是))([^是叫姓]{1,6}?)(?:的|啊|吧|呀)?$"
)
_LONGEST_NAME = 6
_BARE_NAME = 4
_SHORT_NAME = 3
"""楼先生, 路遥: so short a name may have a place's character in it."""

_UNKNOWN = re.compile(
    r"不知道|不晓得|不清楚|说不清|说不上|没有(?:地址|地点|具体)|不方便|全省|哪里都|都一样"
)
_PRECISE = re.compile(
    r"路|街|巷|大道|村|队|小区|花园|公寓|大厦|广场|学校|大学|中学|小学|酒店|宾馆|医院|市场|超市"
    r"|\d号|[一二三四五六七八九十百]+号|栋|单元|楼|镇|乡|街道|桥|站|码头|港|湾|路口|公园|商场|派出所"
    r"|工地|工厂|厂|农场|国贸|银行|政府|幼儿园|停车场|机场|高速|苑|府|城|家园"
)
_NOWHERE = re.compile(
    r"楼[上下顶道梯里]|[顶高]楼|银行卡|[马公道铁一过走迷半]路|路[上边过人]|站[在着起]|城管|乡下"
    r"|(?:^|[去在到从的这那个我们你他她家])(?:学校|大学|中学|小学|酒店|宾馆|医院|市场|超市|小区"
    r"|公园|商场|派出所|工地|工厂|银行|政府|幼儿园|停车场|机场|高速|村|广场|码头)"
)
"""Of these, what names no place in particular: 楼下, 我们小区."""
_PLACE_WORDS = re.compile(
    r"(?:门口|旁边|对面|附近|隔壁|后面|前面|家|楼上|楼下|店|河边|海边|岛|市|县|区|路|边|里|上|下)"
    r"(?:这里|这边|这儿|那里|那边|的地方)?的?$|(?:这里|这边|这儿|那里|那边)$|^在.{1,8}$"
)
"""What the name of a place ends in; in the middle of a sentence they tell little."""
_WHERE = re.compile(
    r"(?:喂|你好|您好|嗯|呃|那个|就是|啊)*(?:(?:我们?人?|现在|就|正|是)*(?P<at>在|到|位于|住))?(?P<where>.{2,20})"
)
_ENDS_AS_PLACE = re.compile(
    rf"{_PLACE_WORDS.pattern}|(?:镇|村|乡|街|巷|大道|湾|门口|小区|花园|大厦|广场|公园|大学|中学|小学|医院"
    r"|市场|超市|车站|码头|机场|农场|中心|国贸)$"
)
_AWAY = re.compile(r"(?:[市县区镇村乡路街巷]|大道|旁边|门口|附近|对面|这[边里])$")
"""What ends a place that is nothing to ask after, as 三亚市人民医院 may be."""
_MATTER = re.compile(
    r"[了过着没不有要想会能被把给让来做办修交坏停漏丢找领报买卖租问查开钱证费他她谁在]|人(?!民)"
)
"""What tells of more than a place, or of somebody else's."""
_QUESTION = re.compile(
    r"怎么|怎样|如何|哪里|哪儿|哪个|在哪|什么|多少|几[点天号年个]|多久|[吗么]$|能不能|可不可以"
    r"|是不是|要不要|有没有|会不会|算不算|为什么|为啥|谁"
)

_DECLINED = re.compile(
    r"(?:嗯|啊|那|我|那个|还是|暂时|先|谢谢|你们?|您)*"
    r"(?:不(?!好意思|知道|晓得|清楚|过|客气|明白)|别(?!的)|算了|没必要|没有必要)"
)

_SLOT = r"(?:地址|地点|位置|地方|名字|姓名|姓|时间|日期|内容|事情|问题)"
_ABOUT = r"(?:我|刚才|都|搞|弄|说|讲|是|登记|记|写|有点)*"
_WRONG = r"(?:错了?|不对|不是这个|不是这样|改一下|要改|改成|应该)(?:了|的)?"
_INSTEAD = r"(?:不是.{1,12}?)?(?:应该|我|改成|是|在|叫|姓)*"
_CORRECTION = re.compile(
    r"(?:等一下|等等|不对|不是|对不起|不好意思|那个|我的?|刚才|刚刚|说)*"
    rf"(?P<slot>{_SLOT}){_ABOUT}{_WRONG}{_INSTEAD}(?P<value>.*)"
)
_DENIED = re.compile(
    rf"(?:等一下|等等|不对|不是|错了)+(?P<slot>{_SLOT})(?:应该)?(?:是|在|叫)(?P<value>.+)"
)
_SLOTS = {
    "地": "place", "位": "place", "名": "name", "姓": "name", "时": "time", "日": "time",
}  # fmt: skip


class Correction(NamedTuple):
    """A slot of the ticket that was taken down wrongly, and its new value, empty if not said."""

    slot: str
    value: str


def yes(text: str) -> bool:
    """A yes to what was read back."""
    said = plain(text)
    if _NOT_NO.match(said):
        return True
    return bool(_YES.match(said)) and not _NOT_YES.search(_NOT_NO.sub("", said))


def no(text: str) -> bool:
    """A no to what was read back."""
    said = plain(text)
    if _NOT_NO.match(said):
        return False
    return bool(_NO.match(said)) or (bool(_YES.match(said)) and not yes(said))


def declined(text: str) -> bool:
    """不用转了, 我不想找警察: the caller does not want what was offered."""
    return _DECLINED.match(plain(text)) is not None


def no_call(text: str) -> bool:
    """不用回电话: nobody need ring back."""
    return _NO_CALL.search(plain(text)) is not None


def choice(text: str) -> int | None:
    """Which of two offered questions was chosen: 0, 1, or -1 for neither; None if unclear."""
    said = plain(text)
    if not said or len(said) > 14:
        return None
    not_first, not_second = bool(_NOT_FIRST.search(said)), bool(_NOT_SECOND.search(said))
    rest = _NOT_SECOND.sub("", _NOT_FIRST.sub("", said))
    first, second = bool(_FIRST.search(rest)), bool(_SECOND.search(rest))
    if not_first and not_second:
        return -1 if "也" in said else None
    if second and not first:
        return 1
    if first and not second:
        return -1 if _NEITHER.search(rest) else 0
    if first:
        return None
    if not_first or not_second:
        return 1 if not_first else 0
    return -1 if _NEITHER.search(rest) else None


def name(text: str) -> str:
    """The name in 我姓王 or 我叫王小明; 匿名; a short reply without such a frame; else empty."""
    said = plain(text)[:LONGEST_REPLY]
    if _DECLINES_NAME.search(said):
        return ANONYMOUS
    found = _NAME.search(said)
    if found:
        return found.group(1)
    polite = said.endswith(("先生", "女士", "小姐"))
    if len(said) > (_LONGEST_NAME if polite else _BARE_NAME) or question(said):
        return ""
    a_place = jurisdiction.resolve(said) if len(said) <= _SHORT_NAME else place(said)
    return "" if a_place else said


def framed_name(text: str) -> bool:
    """我姓王: a name beyond doubt."""
    return _NAME.fullmatch(plain(text)) is not None


def place(text: str, syllables: Sequence[str] = ()) -> bool:
    """Whether the words name a place, in whatever way."""
    said = plain(text)[: 2 * LONGEST_REPLY]
    return bool(
        jurisdiction.resolve(said, tuple(syllables))
        or _PRECISE.search(said)
        or _PLACE_WORDS.search(said)
    )


def precise_place(text: str) -> bool:
    """Whether the words tell more of a place than its city or county, so that it can be found."""
    return _PRECISE.search(_NOWHERE.sub("，", plain(text))) is not None


def where_only(text: str) -> bool:
    """我在琼海嘉积菜市场门口: where somebody is, and nothing of what is wanted."""
    said = plain(text)
    found = _WHERE.fullmatch(said) if len(said) <= 2 * LONGEST_REPLY else None
    if found is None or question(text) or _MATTER.search(found["where"]):
        return False
    where = found["where"]
    if not (_ENDS_AS_PLACE.search(where) or jurisdiction.resolve(where[-2:])):
        return False
    if found["at"]:
        return place(where)
    return bool(_AWAY.search(where)) and jurisdiction.resolve(where[:3]) is not None


def only_begun(text: str) -> bool:
    """你好, 我在龙华区想问个事情: perhaps where somebody is, and the matter is still to come."""
    said = plain(text)
    return small_talk.contentless(said) or any(
        small_talk.contentless(said[cut:]) and where_only(said[:cut])
        for cut in range(2, min(len(said), 2 * LONGEST_REPLY))
    )


def place_unknown(text: str) -> bool:
    """不知道, 没有地址: there is no place to be had."""
    return _UNKNOWN.search(plain(text)) is not None


def question(text: str) -> bool:
    """Whether something is plainly being asked."""
    return _QUESTION.search(bare(text)) is not None


def correction(text: str) -> Correction | None:
    """地址说错了，是和平大道: what was wrong, and what is right."""
    said = plain(text)[:LONGEST_REPLY]
    found = _CORRECTION.fullmatch(said) or _DENIED.fullmatch(said)
    if found is None:
        return None
    return Correction(_SLOTS.get(found["slot"][0], "matter"), found["value"])
