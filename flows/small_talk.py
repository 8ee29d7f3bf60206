"""Words that ask for nothing of substance: greetings, noises, thanks, 再说一遍, 不用了. Pure.

A turn is small talk when it is made of the words of one kind from end to end, with at least
one that tells the kind; any other word makes it a matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from flows.wording import LONGEST_REPLY, bare, plain, toneless


class _Kind(NamedTuple):
    telling: frozenset[str]
    others: frozenset[str]


def _kind(telling: str, others: str = "") -> _Kind:
    return _Kind(frozenset(telling.split()), frozenset(others.split()))


_POLITE = (
    "喂 请 你好 您好 哈喽 那个 就是 就 是 请问 麻烦 不好意思 打扰 嘿 "
    "同志 师傅 小姐 老师 对不起 抱歉 "
)

_FINISHED = _kind(
    "没有 没 不用 不需要 就这样 就这些 知道了 明白了 清楚了 了解了 了解 懂了 谢谢 多谢 感谢 "
    "麻烦了 麻烦你了 麻烦您了 再见 拜 拜拜 挂了 辛苦 打错 按错 拨错 打错电话 拨错电话 "
    "算了 没什么",
    "好 好的 那 行 可以 我 就 嗯 暂时 别的 其他 其他的 问题 事 事情 了 吧 非常 十分 太 "
    "真是 你 您 "
    "都 先 不好意思 对不起",
)
_MISTAKEN = _kind(
    "打错 按错 拨错 打错电话 拨错电话",
    "喂 我 是 不好意思 对不起 抱歉 了 啊 的 电话 号码 没有 没事",
)
_BARE_NO = _kind("没 没有 不用 不需要 不是")
# 不要 and 别 alone may be said to somebody in the room, and are no refusal.
_REFUSED = _kind(
    "没有要登记 没要登记 没说要登记 没有说要登记 不是要登记 "
    "不用 不需要 不必 无需 不要了 不要登记 不要再登记 不要记 不要反映 不要投诉 "
    "不想登记 不想反映 不想投诉 别登记 别记 别写 别反映 别投诉 取消 撤销 撤回 "
    "算了 不登记 不反映 不投诉 不弄 不搞 没必要 "
    "我自己去 我自己来 我自己想办法 我自己解决 我自己处理 当我没说 不说了",
    _POLITE
    + "我 我说 那 都说 已经说 这个 这件事 你们 你 您 先 了 吧 的 工单 谢谢 再 给我 帮我 替我 "
    "登记 记录 记 写 填 处理 反映 投诉",
)
_AGAIN = _kind(
    "再说一遍 再说一次 再说一下 再讲一遍 再讲一次 再念一遍 再来一遍 再重复 重复 重复一遍 "
    "重复一次 "
    "慢点 慢一点 慢些 大声点 大声一点 大声些 没听清 没听清楚 没听懂 没听明白 没听见 "
    "没听到 没有听清 "
    "没有听清楚 没有听懂 听不清 听不清楚 听不懂 听不明白 听不见 听不到 什么 什么意思 啥 啥意思 "
    "太长 太快 没懂 没明白 不明白 不懂",
    _POLITE + "我 你 您 你们 等一下 刚才 刚刚 再 能不能 能 可以 可不可以 有点 老人家 耳朵 "
    "这个 话 "
    "声音 还是 都 又 说 讲 说得 得 的 了 一下 吗 谢谢 太",
)
_MORE = _kind(
    "有的 还有 还想 还要 另外 再问",
    _POLITE + "我 对 好 好的 有 还 再 想 要 问 咨询 反映 一个 一件 一点 一下 两个 几个 个 "
    "件 些 "
    "别的 其他 其他的 小 问题 事 事情 情况 你 您 的",
)
_AGREED = _kind(
    "好 好的 行 可以 对 是 是的 没问题 要得 登记 麻烦 ok OK",
    "谢谢 你 您 那 就 吧 的 了 帮我 给我 请 一下",
)
_GREETINGS = (
    "喂 你好 您好 在吗 在不在 有人吗 有没有人 听得到吗 听到吗 能听到吗 哈喽 早上好 下午好 "
    "晚上好 请问 "
    "12345 12345热线 政府热线 那个 "
)
_CONTENTLESS = _kind(
    _GREETINGS + "反映 投诉 举报 咨询 问 了解 请教 打听 建议 说 讲 查 提 办 登记 有个 "
    "有一个 有件 "
    "有一件 有事 有事情 有问题 有情况 有点事 帮个忙 帮我一下 帮一下",
    _POLITE
    + "我 我们 你们 你 您 想 想要 要 打算 来 打电话 过来 需要 跟 向 给 找 一下 一下下 一个 一件 "
    "一点 几个 几件 个 件 点 些 小 问题 事情 事 情况 意见 东西 业务 一个人 一家公司 有 "
    "这里 这边 这里是 "
    "能 能不能 可以 可不可以 帮我 吗 吧 行吗 可以吗 好吗 那",
)
_HUMAN = _kind(
    "人工 真人 客服 座席 坐席 话务员 接线员 工作人员 领导",
    _POLITE
    + "帮我 给我 我 要 想 直接 你 您 能不能 可以 转 转到 接 找 叫 换 个 一个 一下 你们 服务 "
    "电话 来 吧 吗 谢谢 说话",
)

_BACKCHANNEL = frozenset("嗯哦好对啊是行额呃喂噢哎诶的吧唉哈")
_BACKCHANNEL_SOUNDS = frozenset(
    ("n", "en", "ng", "m", "hm", "o", "a", "e", "ei", "ai", "ya", "ba", "ha", "hao", "de", "dui")
) | {"shi", "xing", "wei"}


@lru_cache(maxsize=8192)
def _is(kind: _Kind, text: str) -> bool:
    """Whether the text can be cut into words of the kind, one of them a telling one."""
    said = bare(text)
    if not 0 < len(said) <= LONGEST_REPLY:
        return False
    reached: dict[int, set[bool]] = {0: {False}}
    for start in range(len(said)):
        for told in reached.get(start, ()):
            for words, tells in ((kind.telling, True), (kind.others, told)):
                for word in words:
                    if said.startswith(word, start):
                        reached.setdefault(start + len(word), set()).add(tells)
    return True in reached.get(len(said), ())


def finished(text: str) -> bool:
    """The caller has no further question (没有了，谢谢), and says nothing besides."""
    return _is(_FINISHED, text)


def mistaken(text: str) -> bool:
    """打错了: the caller says that the call was none."""
    return _is(_MISTAKEN, text)


def bare_no(text: str) -> bool:
    """没有, 不用: a goodbye only where the bot asked for more."""
    return _is(_BARE_NO, text)


def refused(text: str) -> bool:
    """不用登记了, 算了: the caller wants none of it."""
    return _is(_REFUSED, text)


def again(text: str) -> bool:
    """再说一遍, 没听清, 什么: the last thing is to be said once more."""
    return _is(_AGAIN, text)


def more(text: str) -> bool:
    """有的, 还有一个问题: the caller will go on."""
    return _is(_MORE, text) or bare(text) == "有"


def agreed(text: str) -> bool:
    """好的, 行, 那麻烦你登记一下: yes, go on."""
    return _is(_AGREED, text) or (len(plain(text)) > 0 and not bare(text))


def backchannel(text: str, syllables: Sequence[str] = ()) -> bool:
    """嗯、哦、好的: a listener's noise that must not stop the bot. Both ears must agree."""
    said = plain(text)
    if len(said) > 3 or any(character not in _BACKCHANNEL for character in said):
        return False
    return len(syllables) < 2 or (
        len(syllables) <= 3 and all(toneless(each) in _BACKCHANNEL_SOUNDS for each in syllables)
    )


def contentless(text: str) -> bool:
    """喂你好, 我想反映一个情况: the caller has begun, and the matter is still to come."""
    return _is(_CONTENTLESS, text)


def human_wanted(text: str) -> bool:
    """转人工, and nothing besides."""
    return _is(_HUMAN, text)


@lru_cache(maxsize=8192)
def courtesy(text: str) -> bool:
    """Any of these: nothing that could be searched for or written down."""
    judges = (finished, refused, again, more, agreed, contentless)
    return any(judge(text) for judge in judges)


def says_nothing(text: str, syllables: Sequence[str] = (), *, handed_over: bool = False) -> bool:
    """Whether a turn says nothing that triage could judge.

    The sounds must not hold more than the text. Once the call was `handed_over` a 没事了 may
    be a retraction.
    """
    if len(syllables) > len(plain(text)) + 2:
        return False
    if handed_over or refused(text):
        return contentless(text)  # 不要了 may be said to somebody in the room
    return courtesy(text)
