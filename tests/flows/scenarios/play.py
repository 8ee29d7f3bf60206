"""Plays a scenario of this folder, and says in its words what the bot did (README.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from flows import actions as act
from flows.events import LegState, TicketProgress
from flows.policy import Policy
from flows.routes import LEG_LINES
from tests.flows.scenarios.real_call import RealCall
from tests.flows.scripted_call import every, prompts

FOLDER = Path(__file__).parent

LEGS = {
    "振铃": LegState.RINGING,
    "摘机": LegState.ANSWERED,
    "有人说话": LegState.CONFIRMED,
    "占线": LegState.BUSY,
    "无人接听": LegState.NO_ANSWER,
    "打不通": LegState.FAILED,
    "挂断": LegState.ENDED,
}
PARTIES = {"110": "110", "座席": "seat", **{line: line for line in LEG_LINES}}
"""Who is called: as a route of the chain, or as a line beside it."""
SOUNDS = {"尖叫": "scream", "哭泣": "crying", "大声": "loud"}
ENGINES = {"识别": "transcriber", "听音": "listener", "知识库": "knowledge_base", "语音": "speech"}
CALLING = {"": "", "漏接": "missed", "评价": "evaluation"}
WRITES = {"正常": True, "失败": False, "不回": None}


class ScenarioError(ValueError):
    """A scenario that cannot be played; the message names it and the step."""


@dataclass(frozen=True)
class Scenario:
    """One scenario, as it stands in its file.

    Raises:
        ScenarioError: if a key is missing, or is none that README.md explains.
    """

    name: str
    know: str
    steps: tuple[Mapping[str, Any], ...]
    start: Mapping[str, Any] = field(default_factory=dict)
    knowledge: Mapping[str, str] = field(default_factory=dict)
    inviting: tuple[str, ...] = ()
    safety: Mapping[str, str] = field(default_factory=dict)
    writes: bool | None = True
    limits: Mapping[str, float] = field(default_factory=dict)
    greeting: str = "greeting"
    outcome: str = ""
    decided: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    ticket: Mapping[str, str] = field(default_factory=dict)
    on_record: tuple[Mapping[str, Any], ...] = ()
    audio: bool = False
    id: str = ""
    """File and number, as in ``police-3``."""

    @classmethod
    def read(cls, table: Mapping[str, Any], file: str, number: int = 0) -> Scenario:
        keys = {
            "场景": "name", "要点": "know", "经过": "steps", "来电": "start",
            "知识库": "knowledge", "请补充": "inviting", "涉险": "safety", "存盘": "writes",
            "问候": "greeting", "结果": "outcome", "依据": "decided", "标记": "flags",
            "工单": "ticket", "录音": "audio", "界限": "limits",
            "工单库": "on_record",
        }  # fmt: skip
        unknown = table.keys() - keys
        if unknown or not {"场景", "要点", "经过"} <= table.keys():
            raise ScenarioError(f"{file}：{table.get('场景', '?')}：不认识或缺少的项 {unknown}")
        values = {keys[key]: value for key, value in table.items()}
        values["writes"] = WRITES[table.get("存盘", "正常")]
        values["id"] = f"{Path(file).stem}-{number}"
        lists = ("steps", "inviting", "decided", "flags", "on_record")
        return cls(**{k: tuple(v) if k in lists else v for k, v in values.items()})


def scenarios(folder: Path = FOLDER) -> list[Scenario]:
    """All of them, in the order of their files.

    Raises:
        ScenarioError: for a file that cannot be understood, or a name that is there twice.
    """
    found = [
        Scenario.read(table, path.name, number)
        for path in sorted(folder.glob("*.yaml"))
        for number, table in enumerate(yaml.safe_load(path.read_text("utf-8")), 1)
    ]
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ScenarioError(f"同名场景：{twice}")
    return found


# ── what the bot did, in the scenario's words ─────────────────────────────────────


def told(action: act.Action) -> str | None:
    """An action as a scenario names it; None for those that nobody outside sees."""
    match action:
        case act.Say(prompt=None, purpose=act.Purpose.SAFETY):
            return f"提示 {action.entry}"
        case act.Say(prompt=None):
            return f"答 {action.entry}"
        case act.Say():
            return f"说 {action.prompt}"
        case act.StopSpeaking():
            return "停"
        case act.Handoff():
            return f"转 {action.routes[0].destination} 因 {action.reason}"
        case act.DialRoute():
            return f"拨 {action.route.destination}"
        case act.DialLine():
            return f"同拨 {action.route.destination}"
        case act.ReleaseLeg():
            return f"放开 {action.line or '110'}"
        case act.NotifyLine():
            return f"通知 {action.line}"
        case act.Tell():
            return f"告知 {action.line or '110'} {action.prompt}"
        case act.CallBack():
            return "回拨"
        case act.UpdateDossier():
            return f"记 {action.note}" if action.note else "补记"
        case act.OpenTicket():
            return "工单作废" if action.withdrawn else "工单"
        case act.AppealLimit():
            return "申诉"
        case act.Evaluate(score=int()):
            return f"评价 {action.score}"
        case act.FindTickets():
            return "查工单"
        case act.HangUp():
            return f"挂机 {action.outcome}"
        case act.Leave():
            return f"交出 {action.outcome}"
        case _:
            return None


# ── playing ───────────────────────────────────────────────────────────────────────


class Played:
    """A scenario under way; each step's deeds are compared with what is expected of it."""

    def __init__(self, scenario: Scenario, policy: Policy, embed: Any) -> None:
        self.scenario = scenario
        start = scenario.start
        self.call = RealCall(
            policy=replace(policy, limits=replace(policy.limits, **scenario.limits)),
            embed=embed,
            caller=str(start.get("号码", "13800138000")),
            did=str(start.get("拨打", "12345")),
            known_region=start.get("已知地区"),
            trunk=start.get("来自", "public"),
            order=str(start.get("警单", "")),
            limited=start.get("限制", "否") == "是",
            limited_until=str(start.get("限制到", "")),
            closed=start.get("服务时间", "是") == "否",
            serves_as=str(start.get("并入", "")),
            evaluates=start.get("评价", "否") == "是",
            calling=CALLING[start.get("回电", "")],
            about=str(start.get("回电工单", "")),
            calls_back=start.get("能回拨", "是") == "是",
            knowledge={words: (entry, 0.95) for words, entry in scenario.knowledge.items()},
            inviting=scenario.inviting,
            safety=scenario.safety,
            on_record=tuple(map(_on_record, scenario.on_record)),
            today=str(start.get("日期", "2026-11-26")),
            writes=scenario.writes,
        )

    def run(self) -> None:
        greeted = self._deeds(lambda: self.call.start(greeted=False), to_the_end=True)
        assert greeted == [f"说 {each}" for each in self.scenario.greeting.split(", ")]
        for number, step in enumerate(self.scenario.steps, 1):
            expected = [str(each) for each in _listed(step.get("应"))]
            done = self._deeds(
                lambda step=step: self._happens(step), to_the_end="听到一半" not in step
            )
            happened = {key: value for key, value in step.items() if key != "应"}
            where = f"{self.scenario.name}：第{number}步 {happened}"
            assert done == expected, f"{where}：应{expected}，却{done}"
        self._at_the_end()

    def _deeds(self, happens: Callable[[], object], *, to_the_end: bool) -> list[str]:
        before = len(self.call.done)
        happens()
        self.call.goes_on(to_the_end=to_the_end)
        if not to_the_end and self.call.state.queued and self.call.state.speaking is None:
            self.call.being_heard()
        return [words for each in self.call.done[before:] if (words := told(each)) is not None]

    def _happens(self, step: Mapping[str, Any]) -> None:
        call = self.call
        ((what, value),) = [(str(k), v) for k, v in step.items() if k not in ("应", "听到一半")]
        match what:
            case "说":
                call.hears(value, to_the_end=False)
            case "任说一句":
                call.hears(self._doubtful(value), to_the_end=False)
            case "说到":
                call.begins()
                call.listener(value)
                call.partial(value)
            case "说完":
                call.listener(value, final=True)
                call.ends()
                call.final(value)
            case "听不清":
                call.hears(value, to_the_end=False, intelligible=0.0)
            case "外语":
                call.hears(value, to_the_end=False, language="en", intelligible=0.9)
            case "杂音":
                call.says("")
            case "沉默":
                call.is_silent(float(value))
            case "按键":
                call.presses(str(value))
            case "声音":
                call.sounds_like(SOUNDS[value])
            case "过":
                call.waits(float(value))
            case "故障":
                call.fails(ENGINES[value])
            case "存盘":
                call.written(ok=WRITES[value] is True)
            case "按回":
                call.far_side_presses(str(value))
            case "挂断":
                call.hangs_up()
            case _ if what in PARTIES:
                self._party(what, str(value))
            case _:
                raise ScenarioError(f"{self.scenario.name}：不认识的经过 {what}")

    def _doubtful(self, sentences: Sequence[str]) -> str:
        """The first of them about which the present model has doubts, said by itself."""
        for words in sentences:
            alone = RealCall(policy=self.call.policy, embed=self.call.embed)
            alone.start()
            alone.hears(words)
            if "ask_danger" in prompts(alone.done):
                return words
        raise ScenarioError(f"{self.scenario.name}：没有一句是模型拿不准的，请另选")

    def _party(self, who: str, does: str) -> None:
        does, _, seconds = does.partition(" ")
        lost, kind, handoff = does == "断线", PARTIES[who], self.call.state.handoff
        beside = handoff is not None and handoff.side(kind) is not None
        if handoff is None or not (beside or handoff.route.kind == kind):
            raise ScenarioError(f"{self.scenario.name}：此时没有在呼叫{who}")
        self.call.leg(
            LegState.ENDED if lost else LEGS[does],
            reason="lost" if lost else "",
            line=kind if beside else "",
            talked_s=float(seconds.rstrip("秒") or 30),
        )

    def _at_the_end(self) -> None:
        scenario, done = self.scenario, self.call.done
        if scenario.outcome:
            assert self.call.state.outcome == scenario.outcome
        decided = iter([each.what for each in every(act.Decide, done)])
        for what in scenario.decided:
            assert what in decided, f"{scenario.name}：没有依据 {what}，或次序不对"
        if scenario.flags:
            noted = [e for e in done if isinstance(e, act.Handoff | act.UpdateDossier)][-1]
            assert set(noted.flags) == set(scenario.flags)
        if scenario.ticket:
            ticket = every(act.OpenTicket, done)[-1]
            names = {
                "事由": "matter", "地点": "place", "称呼": "name", "号码": "number",
                "时间": "happened", "区划": "region", "保密": "confidential",
            }  # fmt: skip
            for key, value in scenario.ticket.items():
                found = getattr(ticket, names[key])
                found = {True: "是", False: "否"}.get(found, found)
                assert found == str(value), f"{scenario.name}：工单{key}：{found}"


def _on_record(ticket: Mapping[str, Any]) -> tuple[str, TicketProgress]:
    """A ticket of the records, and the number that it was made with."""
    return str(ticket["号码"]), TicketProgress(
        str(ticket["尾号"]),
        ticket["状态"],
        ticket.get("部门", ""),
        ticket.get("期限", ""),
        ticket.get("超期", "否") == "是",
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
