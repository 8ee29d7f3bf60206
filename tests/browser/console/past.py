"""Ten days of a hotline, made up, for pictures of the console: nobody in it is a real person.

Calls and what came of them are written as the call path writes them, so that figures, lists,
tickets, gaps and incidents are computed from them as from any others.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from flows.answering import NO_ANSWER
from voicebot.callers.tables import EvaluationRow
from voicebot.clock import BEIJING
from voicebot.records import operations as write
from voicebot.records.database import open_engine
from voicebot.records.tables import OutboxRow
from voicebot.tickets import acts, opening
from voicebot.tickets.history import Actor
from voicebot.tickets.life import Request
from voicebot.tickets.states import Act

DAYS = 10
REGIONS = ("460106", "460105", "460107", "460108", "460203", "460204", "460400", "469002")
BUSY = (1, 1, 0, 0, 0, 1, 2, 5, 11, 13, 12, 9, 6, 7, 11, 12, 11, 9, 6, 5, 5, 4, 3, 2)
"""Calls of an hour, about."""
ANSWERED = (
    (
        "社保卡丢了怎么补办",
        "sb-001",
        "社保卡补办可以在海易办申请，也可以带身份证到就近的服务网点。",
    ),
    ("公积金提取要什么材料", "gjj-001", "租房提取公积金，在海易办填写申请，不用到现场。"),
    ("电动车上牌要带什么", "jg-009", "带身份证、购车发票和合格证，在海易办或者带牌销售点上牌。"),
    ("身份证过期了怎么换", "hz-001", "带旧身份证到任意一个派出所的户籍窗口换领。"),
    ("灵活就业社保怎么交", "sb-004", "灵活就业人员在海易办的社保专区选择缴费档次。"),
)
UNANSWERED = (
    ("小区楼下的充电桩什么时候能用", "充电桩建好半年不通电"),
    ("宠物狗办证去哪里办", "养犬登记"),
    ("台风后树倒了谁来清", "倒伏树木清理"),
    ("我们这边公园里的直饮水机坏了三个月", "公园直饮水机损坏"),
    ("小区楼下的充电桩为什么不能用", "充电桩建好半年不通电"),
    ("给狗办证要去哪个部门", "养犬登记"),
)
DANGERS = (
    ("楼上煤气味很重，有人晕倒了", 4, ("119", "120"), "有人晕倒了"),
    ("路口两车相撞，有人流血", 3, ("120",), "有人流血"),
    ("楼下有人拿刀追人", 1, (), "拿刀追人"),
    ("海边有人被浪卷走了", 6, ("12395",), "被浪卷走"),
)
ACTORS = (Actor("王晓燕", "agent"), Actor("陈志强", "supervisor"))


class Past:
    """Parameters:
    session: writes to the database that the service will take up.
    now: the last moment of it, seconds since the epoch.
    """

    def __init__(self, session: Session, now: float, seed: int = 12345) -> None:
        self.session, self.now = session, now
        self.chance = random.Random(seed)
        self._number = 0

    def write(self) -> None:
        """All of it."""
        today = datetime.fromtimestamp(self.now, BEIJING).replace(minute=0, second=0, microsecond=0)
        for days in range(DAYS, -1, -1):
            for hour, calls in enumerate(BUSY):
                began = (today - timedelta(days=days)).replace(hour=hour)
                for _ in range(max(0, calls + self.chance.randint(-2, 2))):
                    at = began.timestamp() + self.chance.uniform(0, 3599)
                    if at < self.now - 300:
                        self._call(at)
        self._disaster(self.now - 5400)
        self._limited(self.now - 3600)
        self.session.flush()
        # What was delivered ten days ago is not to be delivered to the desks of today.
        self.session.execute(update(OutboxRow).values(state="delivered", delivered_at=self.now))

    # ── one call ──────────────────────────────────────────────────────────────────

    def _call(self, at: float) -> None:
        kind = self.chance.random()
        if kind < 0.04:
            self._number += 1
            write.refuse_call(
                self.session, call_id=f"past-{self._number}", did="12345", reason="full", at=at
            )
        elif kind < 0.58:
            self._answered(at)
        elif kind < 0.80:
            self._ticket(at)
        elif kind < 0.93:
            self._to_seat(at)
        elif kind < 0.96:
            self._danger(at, *self.chance.choice(DANGERS))
        else:
            self._missed(at)

    def _begin(self, at: float, region: str | None = None) -> tuple[str, str]:
        self._number += 1
        call_id, number = f"past-{self._number}", f"1390000{self._number:04}"
        write.start_call(
            self.session, call_id=call_id, caller=number, did="12345", started_at=at,
            recording="", offered_at=at - 1.2,
        )  # fmt: skip
        self._say(call_id, 0, "bot", "您好，这里是海南12345，通话会录音，请讲。", 0.0, 4.9)
        return call_id, number

    def _say(
        self,
        call_id: str,
        seq: int,
        side: str,
        text: str,
        start: float,
        end: float,
        entry: str = "",
    ) -> None:
        write.add_turn(
            self.session, call_id=call_id, seq=seq, side=side, text=text, start=start, end=end,
            entry=entry or None, final=True,
        )  # fmt: skip

    def _log(self, call_id: str, rows: Sequence[tuple[float, str, str, dict[str, Any]]]) -> None:
        write.append(
            self.session,
            call_id=call_id,
            rows=[
                [number, at, direction, kind, payload]
                for number, (at, direction, kind, payload) in enumerate(rows, 1)
            ],
        )

    def _end(
        self, call_id: str, at: float, outcome: str, region: str | None, lasted: float
    ) -> None:
        write.finish_call(
            self.session, call_id=call_id, ended_at=at + lasted, outcome=outcome, region=region
        )

    def _answered(self, at: float) -> None:
        call_id, number = self._begin(at)
        asked, entry, answer = self.chance.choice(ANSWERED)
        self._say(call_id, 1, "caller", asked, 5.2, 8.4)
        self._say(call_id, 2, "bot", answer, 8.9, 17.0, entry)
        self._log(
            call_id,
            [
                (
                    8.8,
                    "out",
                    "Decide",
                    {"what": "answer", "why": f"听到一半就已确定：{entry}，把握 0.94"},
                )
            ],
        )
        self._end(call_id, at, "answered", self.chance.choice(REGIONS), 24.0)
        if self.chance.random() < 0.4:
            self.session.add(
                EvaluationRow(
                    call_id=call_id, number=number, ticket="", asked_at=at + 20,
                    score=self.chance.choice((1, 1, 1, 2, 2, 3, 4)), given_at=at + 23,
                )
            )  # fmt: skip

    def _ticket(self, at: float) -> None:
        call_id, number = self._begin(at)
        asked, matter = self.chance.choice(UNANSWERED)
        region = self.chance.choice(REGIONS)
        self._say(call_id, 1, "caller", asked, 5.2, 9.0)
        self._say(call_id, 2, "bot", "这件事我帮您登记。请问在什么地方？", 9.6, 13.0)
        self._say(call_id, 3, "caller", "就在人民公园东门旁边", 14.0, 16.5)
        search = {
            "turn": 1, "text": asked, "alternatives": [], "syllables": [], "region": None,
            "final": True, "previous": None,
        }  # fmt: skip
        found = {
            "at": 9.1, "turn": 1, "query": asked, "decision": "none",
            "candidates": [["jg-009", 0.12]], "final": True, "inviting": [], "safety": {},
        }  # fmt: skip
        say = {
            "utterance": "u2", "purpose": "prompt", "prompt": "no_answer_ticket", "values": {},
            "entry": None, "region": None, "interruptible": True, "heard_s": 0.0,
        }  # fmt: skip
        self._log(
            call_id,
            [
                (9.1, "out", "Search", search),
                (9.2, "in", "SearchResult", found),
                (9.3, "out", "Decide", {"what": "ticket", "why": NO_ANSWER}),
                (9.3, "out", "Say", say),
            ],
        )
        ticket = f"{call_id}-t1"
        opening.save(
            self.session, ticket=ticket, at=at + 30, call_id=call_id, matter=matter,
            place="人民公园东门", number=number, name=self.chance.choice(("陈", "林", "符", "吴")),
            region=region, department=self.chance.choice(("市市政管理局", "区城管局", "市水务局")),
            confidential=self.chance.random() < 0.05,
        )  # fmt: skip
        self._end(call_id, at, "ticket", region, 62.0)
        self._progress(ticket, at + 600)

    def _progress(self, ticket: str, at: float) -> None:
        steps = ((Act.DISPATCH, 600), (Act.ACCEPT, 5400), (Act.START, 9000), (Act.ANSWER, 90_000))
        values: dict[str, Any] = {"department": "市市政管理局", "answer": "已安排修复。"}
        for step, later in steps[: self.chance.randint(0, len(steps))]:
            if at + later < self.now:
                acts.perform(self.session, ticket, Request(step, at + later, **values), ACTORS[0])

    def _to_seat(self, at: float) -> None:
        call_id, _ = self._begin(at)
        self._say(call_id, 1, "caller", "我要人工，你帮我转人工", 5.1, 7.2)
        self._log(
            call_id, [(7.4, "out", "Decide", {"what": "hand_off_human", "why": "requested_human"})]
        )
        self._hand_off(call_id, at + 7.4, "seat", "requested_human", None, (), (), at + 19.0)
        self._end(call_id, at, "human", self.chance.choice(REGIONS), 190.0)

    def _danger(
        self, at: float, words: str, category: int, lines: Sequence[str], heard: str,
        region: str = "",
    ) -> str:  # fmt: skip
        call_id, _ = self._begin(at)
        region = region or self.chance.choice(REGIONS)
        self._say(call_id, 1, "caller", f"喂，{words}，你们快派人来", 5.0, 9.8)
        self._say(call_id, 2, "bot", "正在为您接通110，请不要挂断。", 7.6, 9.9)
        self._say(call_id, 3, "110", "您好，110，请讲。", 13.2, 15.0)
        evidence = (f"danger：{heard}（听音）", "classifier：110_now 0.91")
        why = {"what": "hand_off_110", "why": "；".join(evidence)}
        self._log(call_id, [(7.5, "out", "Decide", why)])
        destination = f"110-{region[:4]}00"
        self._hand_off(
            call_id, at + 7.5, destination, "danger", category, lines, evidence, at + 13.1, region,
            words,
        )  # fmt: skip
        self._end(call_id, at, "handed_off", region, 140.0)
        return call_id

    def _hand_off(
        self,
        call_id: str,
        at: float,
        destination: str,
        reason: str,
        category: int | None,
        lines: Sequence[str],
        evidence: Sequence[str],
        answered_at: float,
        region: str | None = None,
        words: str = "",
    ) -> None:
        handoff = f"{call_id}-h1"
        dossier = {
            "handoff": handoff, "call_id": call_id, "region": region, "category": category,
            "lines": list(lines), "flags": [], "reason": reason, "evidence": list(evidence),
            "revision": 1, "caller": "", "did": "12345", "notes": [], "transcript": [
                {"side": "caller", "text": words, "start": 5.0, "end": 9.8, "characters": True}
            ] if words else [],
        }  # fmt: skip
        write.write_dossier(self.session, destination=destination, dossier=dossier, at=at)
        for state, moment in (("ringing", at + 0.4), ("confirmed", answered_at)):
            write.handoff_state(
                self.session, handoff=handoff, destination=destination, state=state, at=moment
            )
        write.handoff_state(
            self.session, handoff=handoff, destination=destination, state="ended",
            at=answered_at + 120,
        )  # fmt: skip

    def _missed(self, at: float) -> None:
        call_id, number = self._begin(at)
        self._end(call_id, at, "abandoned", None, 6.0)
        write.note_missed(
            self.session, call_id=call_id, number=number, did="12345", at=at, why="queue",
            danger=False, next_try_at=at + 900,
        )  # fmt: skip

    # ── what belongs together ─────────────────────────────────────────────────────

    def _disaster(self, at: float) -> None:
        """Five people call about one fire."""
        for number in range(5):
            self._danger(
                at + 45 * number, "国贸路二十八号居民楼起火，火很大，有人困在里面", 4,
                ("119", "120"), "起火", "460106",
            )  # fmt: skip

    def _limited(self, at: float) -> None:
        """One number that calls to swear, again and again."""
        number, calls = "13900009999", []
        for count in range(4):
            self._number += 1
            call_id = f"past-{self._number}"
            moment = at - 700 * count
            write.start_call(
                self.session, call_id=call_id, caller=number, did="12345", started_at=moment,
                recording="", offered_at=moment - 1,
            )  # fmt: skip
            self._say(call_id, 1, "caller", "你们都是骗子", 5.0, 7.0)
            self._end(call_id, moment, "abandoned", None, 30.0)
            write.note_nuisance(
                self.session, call_id=call_id, number=number, reason="abuse", at=moment
            )
            calls.append(call_id)


def write_past(url: str, now: float) -> None:
    """Into the database at `url`, which is there and empty of calls."""
    engine = open_engine(url, writes=True)
    try:
        with Session(engine) as session, session.begin():
            Past(session, now).write()
    finally:
        engine.dispose()
