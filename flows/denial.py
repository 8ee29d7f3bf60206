"""Understanding the reply to the question about danger: only a clear no counts as no. Pure.

A clear no is a denial that is complete by itself, and whatever follows it is a matter of its
own: 没有，路灯坏了. What follows is returned, so that triage can judge it. An object that the
denial itself takes (没有呼吸, 没有人来) makes it no denial of danger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asr import phonetics
from flows import small_talk
from flows.wording import LONGEST_REPLY, bare, marked, plain, toneless

# 您那边现在有人有危险吗？ 没了 is none (人没了: dead), 没有吧 is a guess.
_NOBODY = (
    r"(?:没有|冇|没得|无|没(?=人|事|啥|什么|危险|问题|情况|，?没))(?:谁|什么人|人)?(?:有)?"
    r"(?:什么|啥|任何|生命|人身)*(?:危险|受伤|出事|被困|伤亡|情况|事情?|问题)?"
)
_STRONG = (
    r"(?:(?:暂时|目前|现在|这边|我这边|这里|我们?(?=都?没[有事得]|都?很?(?:安全|好))|大家"
    r"|人(?=都?没事)|都|肯定|绝对|并|真的|一切)*"
    rf"(?:{_NOBODY}|不危险|(?:很|挺)?安全|(?:挺|很|都)好|正常)(?:(?<=[有事])了|的)*，?)"
)
_WEAK = r"(?:(?:不是|不会|不存在)的?，?)"
_TAIL = (
    r"(?:(?:不用|不需要|不必|你?别)(?:报警|担心|紧张|误会|多想)?(?:了|的)*，?)?"
    r"(?:(?:谢谢|你?您?放心|没关系)(?:你|您|了)*，?)?"
)
_NO = re.compile(rf"，?(?:{_WEAK}|{_STRONG})+{_TAIL}")
_STRONG_NO = re.compile(rf"，?{_WEAK}*{_STRONG}(?:{_WEAK}|{_STRONG})*{_TAIL}")
_DOUBLE_NEGATION = re.compile(
    r"不是没|不会没|没有?不(?!用|需|必|是)|不是不(?!是)|不是无|没有?安全|不存在安全"
)
_ONLY_ASKING = re.compile(
    r"，?我?们?(?:就|只|也就|仅仅|其实|主要)*是?(?:打电话)?(?:过来|来)?(?:想要?|要|随便|过来|来)*"
    r"(?:问|咨询|了解|打听|请教|反映|投诉|建议|举报|登记|查|办|换|打电话|转)"
)
_BEGINS_ANEW = re.compile(r"(?:我|你|您|是(?!不是)|就(?!要)|只|其实|为什么|怎么|请|想|要)")
_MATTER = re.compile(
    r"怎么|怎样|如何|哪|什么|多少|吗$|能不能|可不可以|可以|多久|投诉|咨询|登记|反映|办|坏了|吵"
)
_COMPLETE = re.compile(r"(?:危险|受伤|出事|被困|伤亡|情况|事情?|问题|安全|好|正常|了|的)$")
_CHATTER = re.compile(
    r"怎么了?|(?:你们?|您)?(?:为什么|怎么|干嘛|为啥)(?:会|要|这么|这样)*(?:问|说|讲)?.{0,4}|什么意思"
)
_OBJECT = re.compile(r"(?:人|气|呼吸|脉|心跳|意识|知觉|反应|力|路|水|电|救|谁|办法)")
_SPEAKS_OF_DANGER = re.compile(
    r"但|可是|不过|怕|快(?![递件餐])|救|血|火(?!车)|刀|枪|晕|昏|死(?!亡证)|(?<!工)伤|杀|砍|打人"
    r"|被打|打我|打他|打她|打起|在打|跳|绑|抢|(?<!油)烟(?![草味酒花])|炸|漏气|毒|淹|溺|困(?!难)|摔|撞|倒(?!闭)"
    r"|命|疼|痛|喘|哭|威胁|不让|不敢|跟踪|砸|掐|失踪|走失|不见|不动|叫不|醒不|没反应|没气|呼吸"
    r"|不知道|不晓得|不清楚|不确定|可能|好像|也许|说不定|危险|出事"
)
_SOUNDS = tuple(
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


def beside(text: str, syllables: Sequence[str] = ()) -> str | None:
    """What the reply says besides its clear no: empty if nothing; None if it is no clear no.

    With both, the sounds must not hold much that the text lacks: the rest was not understood.
    """
    whole = plain(text)
    if not whole:
        return "" if _sounds_like_no(syllables) else None
    if len(whole) > LONGEST_REPLY or len(syllables) > len(whole) + 4:
        return None
    said = marked(text)
    if _DOUBLE_NEGATION.search(bare(text)):
        return None
    match = _STRONG_NO.match(said)
    weak = match is None
    match = match or _NO.match(said)
    if match is None:
        return None
    rest = said[match.end() :]
    own = rest.strip("，")
    if not own:
        return ""
    if _SPEAKS_OF_DANGER.search(own) or (weak and not _ONLY_ASKING.match(rest)):
        return None
    denied = match.group()
    if not (denied.endswith("，") or rest.startswith("，")):
        takes_object = denied.endswith(("人", "谁")) or _OBJECT.match(rest)
        if takes_object and not _COMPLETE.search(denied):
            return None
        if not (_BEGINS_ANEW.match(rest) or _MATTER.search(rest[2:])):
            return None
    return own.replace("，", "")


def clear_no(text: str, syllables: Sequence[str] = ()) -> bool:
    """Whether the words are a clear no, as far as words tell; triage judges what follows it."""
    return beside(text, syllables) is not None


def matter(beside: str) -> bool:
    """Whether what came with the no is a matter of its own, and not said about the no."""
    return (
        bool(_MATTER.search(beside))
        and not _CHATTER.fullmatch(beside)
        and not small_talk.contentless(beside)
    )


def doubtful(alternatives: Sequence[str]) -> bool:
    """Whether another reading of the reply speaks of danger after all."""
    return any(
        not clear_no(reading) and _SPEAKS_OF_DANGER.search(plain(reading))
        for reading in alternatives
    )


def _sounds_like_no(syllables: Sequence[str]) -> bool:
    heard = list(syllables)
    while heard and toneless(heard[-1]) in _PARTICLE_SOUNDS:
        heard.pop()
    return any(
        len(sounds) == len(heard) and phonetics.similarity(sounds, heard) >= 0.9
        for sounds in _SOUNDS
    )
