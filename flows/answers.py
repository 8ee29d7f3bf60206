"""Understanding short replies: yes, no, which of two, a name, a number. Pure, on text and sound.

A reply to the question about danger is judged strictly: only a clear no counts as no.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from asr import phonetics

_DIGITS = {
    **{str(digit): str(digit) for digit in range(10)},
    **dict(zip("零〇一二三四五六七八九", "00123456789", strict=True)),
    "幺": "1",
    "两": "2",
}

_PARTICLES = re.compile("[啊呀呢哦噢喔嘛啦哈哎唉嗯呃诶嘞咧哇]")
"""They carry no meaning here; taken out before a reply is read."""

LONGEST_REPLY = 40
"""Characters. Longer ones are no short replies; an engine's endless loop is not parsed either."""

# 您那边现在有人有危险吗？ A clear no is made of these and of nothing else.
# 没了 is none (人没了: dead), 没有吧 is a guess.
_NOBODY = (
    r"(?:没有|冇|没得|无|没(?=人|事|啥|什么|危险|问题|情况))人?(?:有)?(?:什么|啥|任何|生命|人身)*"
    r"(?:危险|受伤|出事|被困|伤亡|情况|事情?|问题)?"
)
_NO_DANGER = (
    r"(?:(?:暂时|目前|现在|这边|我这边|这里|我们?(?=都?没事)|大家|人(?=都?没事)|都|肯定|绝对|并|真的)*"
    rf"(?:{_NOBODY}|不是|不会|不存在|不危险|(?:很|挺)?安全|挺好|都好)(?:(?<=[有事])了|的)*)"
)
_NO_NEED = r"(?:(?:不用|不需要|不必)(?:报警|担心|紧张)?(?:了|的)*)"
_THANKS = r"(?:谢谢|你?您?放心|没关系)(?:你|您|了)*"
_ONLY_ASKING = (
    r"(?:我?们?(?:就|只|也就|仅仅|其实|主要)*是?(?:打电话)?(?:过来|来)?(?:想要?|要|随便|过来|来)*"
    r"(?:问|咨询|了解|打听|请教|反映|投诉|建议|查|办理|打电话)(?P<enquiry>.{0,24}))"
)
_CLEAR_NO = re.compile(rf"(?:{_NO_DANGER})+(?:{_NO_NEED})?(?:{_THANKS})?(?:{_ONLY_ASKING})?")
_DOUBLE_NEGATION = re.compile(
    r"不是没|不会没|没有?不(?!用|需|必|是)|不是不(?!是)|不是无|没有?安全|不存在安全"
)
_CONTRADICTS_NO = re.compile(
    r"但|可是|不过|怕|快|救|血|火|刀|枪|晕|昏|死|伤|杀|砍|打人|被打|打我|打他|打她|打起|在打|跳|绑|抢|烟|炸|"
    r"漏气|毒|淹|溺|困|摔|撞|倒|命|疼|痛|喘|哭|威胁|不让|不敢|跟踪|砸|掐|失踪|走失|不见|不动|"
    r"不知道|不晓得|不清楚|不确定|可能|好像|也许|说不定|危险|出事"
)
_NO_SOUNDS = tuple(
    phonetics.to_syllables(text)
    for text in (
        "没有", "没有没有", "没有没有没有", "没有危险", "没有人有危险", "没什么危险", "没危险",
        "没有人", "没有人没有人", "不是", "不是不是", "没事", "没事没事", "没有没事", "没得",
        "现在没有", "暂时没有", "没有谢谢",
    )
)  # fmt: skip
_PARTICLE_SOUNDS = frozenset(
    ("a", "ya", "ne", "o", "le", "de", "ma", "la", "ha", "ai", "en", "n", "ei", "lei")
)

_YES = re.compile(r"嗯|对|是|好|没错|可以|行|要得|正确|没问题|就是|就这个|ok", re.IGNORECASE)
_NOT_YES = re.compile(r"不|错了|没有|对不起|换|另外|别的")
_NO = re.compile(r"不|没|错|换|另外|别的|冇|对不起|不好意思")
_NOT_NO = re.compile(r"没错|没问题|不错|没关系")

_FIRST = re.compile(r"第一|前一|前面|前者|头一|^一$|^(?:是|对|嗯)(?:的|啊|呀)?$")
_SECOND = re.compile(r"第二|后一|后面|后者|^二$")
_NOT_FIRST = re.compile(
    r"(?:不是|不要|不选)(?:前面的?|前者|第一个?|前一个?)|(?:第一个?|前面的?|前者)不是"
)
_NOT_SECOND = re.compile(
    r"(?:不是|不要|不选)(?:后面的?|后者|第二个?|后一个?)|(?:第二个?|后面的?|后者)不是"
)
_NEITHER = re.compile(r"都不|两个不|不是|没有|别的|其他|另外")

_FINISHED = re.compile(
    r"(?:好的?|那|行|可以|我|就)*"
    r"(?:(?:暂时)?没有?(?:别的|其他的?)?(?:问题|事情?)?了?|不用了?|不需要了?|就这[样些][吧了]?"
    r"|知道了|明白了|清楚了|谢谢(?:你|您|了)*|多谢|(?:打|按|拨)错了|没什么事了?|麻烦了|再见|拜拜"
    r"|挂了|辛苦了|好的?)+"
)
_FAREWELL = re.compile(r"没|不用|不需要|就这|知道|明白|清楚|谢|麻烦|再见|拜|挂了|辛苦|错了")

_BACKCHANNEL = frozenset("嗯哦好对啊是行额呃喂噢哎诶的吧唉哈")
_BACKCHANNEL_SOUNDS = frozenset(
    ("n", "en", "ng", "m", "hm", "o", "a", "e", "ei", "ai", "ya", "ba", "ha", "hao", "de", "dui")
) | {"shi", "xing", "wei"}
_GREETING = re.compile(
    r"(?:喂|你好|您好|在吗|在不在|有人吗|有没有人|听得到吗|听到吗|能听到吗|哈喽|早上好|下午好"
    r"|晚上好|请问(?:一下)?|(?:这里)?是?12345(?:热线)?[吗吧]?|政府热线吗?|那个|我想问(?:一下)?)+"
)

_DECLINES_NAME = re.compile(r"匿名|保密|不想说|不愿意|不方便|不留|不用留|不告诉|不说了?$")
_NAME = re.compile(
    r"(?:我?(?:姓名(?:是|叫)?|名字(?:是|叫)?|姓|叫做?|免贵姓?|是))([^是叫姓]{1,6}?)(?:的|啊|吧|呀)?$"
)


def _plain(text: str) -> str:
    """Without spaces and stops; full-width digits and letters made ordinary."""
    return re.sub(r"[\s，。！？、；：,.!?;:…~]+", "", unicodedata.normalize("NFKC", text))


def _bare(text: str) -> str:
    return _PARTICLES.sub("", _plain(text))


def clear_no(text: str, syllables: tuple[str, ...] = ()) -> bool:
    """Whether the reply to 您那边现在有人有危险吗？ is a clear no, and nothing but a no.

    With both, the sounds must not hold much that the text lacks: the rest was not understood.
    """
    plain = _plain(text)
    if not plain:
        return _sounds_like_no(syllables)
    bare = _bare(text)
    if len(plain) > LONGEST_REPLY or len(syllables) > len(plain) + 4:
        return False
    match = _CLEAR_NO.fullmatch(bare)
    if match is None or _DOUBLE_NEGATION.search(bare):
        return False
    return not _CONTRADICTS_NO.search(match.group("enquiry") or "")


def doubtful_no(alternatives: Sequence[str]) -> bool:
    """Whether another reading of the reply speaks of danger after all."""
    return any(
        not clear_no(reading) and _CONTRADICTS_NO.search(_plain(reading))
        for reading in alternatives
    )


def _sounds_like_no(syllables: tuple[str, ...]) -> bool:
    heard = list(syllables)
    while heard and _toneless(heard[-1]) in _PARTICLE_SOUNDS:
        heard.pop()
    return any(
        len(sounds) == len(heard) and phonetics.similarity(sounds, heard) >= 0.9
        for sounds in _NO_SOUNDS
    )


def _toneless(syllable: str) -> str:
    return syllable.rstrip("012345")


def yes(text: str) -> bool:
    """A yes to the number read back."""
    plain = _plain(text)
    if _NOT_NO.match(plain):
        return True
    return bool(_YES.match(plain)) and not _NOT_YES.search(_NOT_NO.sub("", plain))


def no(text: str) -> bool:
    """A no to the number read back."""
    plain = _plain(text)
    if _NOT_NO.match(plain):
        return False
    return bool(_NO.match(plain)) or (bool(_YES.match(plain)) and not yes(plain))


def finished(text: str) -> bool:
    """The caller has no further question (没有了，谢谢), and says nothing besides."""
    bare = _bare(text)
    return (
        len(bare) <= LONGEST_REPLY
        and _FINISHED.fullmatch(bare) is not None
        and _FAREWELL.search(bare) is not None
    )


def choice(text: str) -> int | None:
    """Which of two offered questions was chosen: 0, 1, or -1 for neither; None if unclear."""
    plain = _plain(text)
    if not plain or len(plain) > 14:
        return None
    not_first, not_second = bool(_NOT_FIRST.search(plain)), bool(_NOT_SECOND.search(plain))
    rest = _NOT_SECOND.sub("", _NOT_FIRST.sub("", plain))
    first, second = bool(_FIRST.search(rest)), bool(_SECOND.search(rest))
    if not_first and not_second:
        return -1 if "也" in plain else None
    if second and not first:
        return 1
    if first and not second:
        return -1 if _NEITHER.search(rest) else 0
    if first:
        return None
    if not_first or not_second:
        return 1 if not_first else 0
    return -1 if _NEITHER.search(rest) else None


def backchannel(text: str, syllables: tuple[str, ...] = ()) -> bool:
    """嗯、哦、好的: a listener's noise that must not stop the bot. Both ears must agree."""
    plain = _plain(text)
    if len(plain) > 3 or any(character not in _BACKCHANNEL for character in plain):
        return False
    return len(syllables) < 2 or (
        len(syllables) <= 3 and all(_toneless(each) in _BACKCHANNEL_SOUNDS for each in syllables)
    )


def greeting(text: str) -> bool:
    """喂、你好、请问一下: the caller has begun, and the matter is still to come."""
    bare = _bare(text)
    return len(bare) <= LONGEST_REPLY and _GREETING.fullmatch(bare) is not None


def number(text: str) -> str:
    """The digits spoken in `text`, as in 幺三八… → ``138…``."""
    return "".join(_DIGITS.get(character, "") for character in _plain(text))


def telephone_number(text: str) -> str:
    """The number that can be dialled from here in `text` (digits, perhaps +86); else empty.

    Mobile 11 digits, 400/800 10 digits, landline 7 or 8 digits, with area code 10 to 12.
    """
    digits = "".join(character for character in text if character in "0123456789")
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) >= 10:
            digits = digits[len(prefix) :]
            break
    forms = r"1[3-9]\d{9}|[48]00\d{7}|[2-9]\d{6,7}|0[1-9]\d{8,10}"
    return digits if re.fullmatch(forms, digits) else ""


def spoken_number(digits: str) -> str:
    """Digits as they are read out on the telephone: ``138`` → 幺三八."""
    return "".join("零幺二三四五六七八九"[int(d)] for d in digits if d in "0123456789")


def name(text: str) -> str:
    """The name in 我姓王 or 我叫王小明; the whole reply when it has no such frame; 匿名."""
    plain = _plain(text)
    if _DECLINES_NAME.search(plain):
        return "匿名"
    found = _NAME.search(plain)
    return (found.group(1) if found else plain)[:20]
