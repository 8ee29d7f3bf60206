"""What stands after a number and says how it is meant (单位, 量词)."""

from __future__ import annotations

import re

_UNITS = (
    "号|岁|米|平米|平方|公里|公斤|千克|斤|吨|升|毫升|厘米|公分|毫米|公顷|亩|小时|分钟|秒|"
    "元|块钱|块零|毛钱|度|级|伏|瓦|千瓦|兆|楼|层|栋|幢|单元|月|日|路公交|路车"
)
_COUNTERS = (
    "个|位|名|次|天|户|条|件|辆|台|只|头|间|家|本|张|份|人|年|周|种|片|棵|艘|处|所|章|项|车|门|"
    "平|倍|杯|瓶|箱|袋|群|班|桌|套|把|点|分|刻|块|毛|角|丈|尺|寸"
)

UNIT = re.compile(_UNITS)
"""Measures, and things that go by number: a single digit before one is a figure too."""
UNIT_OF_ONE = re.compile("号|岁|栋|幢|单元|楼|块钱|元|路公交|路车|月份|月初|月底")
"""Of these, where 一 is a number; 一斤, 一小时 and 一层 rather mean "a"."""
COUNTER = re.compile(_COUNTERS)
"""Ordinary measure words: 三个人 and 第三次 keep their hanzi."""
MEASURE = re.compile(f"{_UNITS}|{_COUNTERS}")

ADVERB_OF_ONE = re.compile("[直定律般旦些样切]|会儿")
"""What makes 一 a word of its own: 打九五五九八一直占线."""
WORD_OF_ONE = re.compile("[直定律般旦些样切下起边会共再同]")
"""The same after digits read one by one, where 一 before 下午 or 起 is no ones digit either."""
