"""`voicebot doctor`: is everything here that a call needs, and how to mend what is not."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voicebot import doctor_records as records
from voicebot.doctor_recordings import recordings
from voicebot.encoders import e5_runs_here
from voicebot.finding import Check
from voicebot.models import ModelState, check_models

if TYPE_CHECKING:
    from rich.table import Table

    from voicebot.call.speech import Speech
    from voicebot.config import Settings

FREE_BYTES = 2 * 2**30
"""A day of ten lines' recordings (8 kHz, two channels) is about this much."""
SENTENCE = "您好，这里是海南政务服务热线，请讲。"
ALIKE = 0.7
"""Share of the test sentence's syllables that recognition must find."""
_FETCH = "Run `voicebot models fetch`."
_MEND = "Run `voicebot models fetch --verify`."
SHARED = "shared transcriber"
_NODES = "Start a process with the role asr, or set asr.fallback."
_REPORT = "The check itself failed: please report it."
_NOT_OF_A_NODE = frozenset(
    {
        "listener", "model listener", "model use", "model e5", "embedder", "database",
        "knowledge base", "tokens", "recordings", "webhooks",
    }
)  # fmt: skip
"""What the role asr alone has no use for."""


def run_checks(settings: Settings, *, deep: bool = True) -> list[Check]:
    """All checks, in the order a person would go through them.

    `deep` also reads every byte of the models and speaks and recognises a sentence
    (about 5 s); without it only what is there is looked at.
    """
    models = check_models(settings.paths.models, verify=deep)
    paths = settings.paths
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("processor", processor),
        ("threads", lambda: threads(settings.asr.threads)),
        *((f"model {state.name}", partial(model, state)) for state in models.models),
        ("listener", lambda: listener(paths.listener_folder())),
        ("espeak-ng", espeak),
    ]
    if deep:
        checks += [
            *(((SHARED, partial(_nodes, settings)),) if settings.nats.servers else ()),
            ("audio", lambda: audio(settings)),
            *((("fallback", lambda: fallback(settings)),) if settings.asr.fallback else ()),
            ("embedder", lambda: embedder(paths.models, settings.embedder.model)),
        ]
    checks += [
        ("state folder", lambda: records.state_folder(paths.state)),
        ("database", lambda: records.database(settings.database_url)),
        ("knowledge base", lambda: records.knowledge_base(settings)),
        ("tokens", lambda: records.tokens(settings)),
        ("port", lambda: port(settings.server.host, settings.server.port)),
        ("disk", lambda: disk(paths.state)),
    ]
    if settings.recordings.encrypt_to or settings.recordings.kms_url:
        checks.append(("recordings", lambda: recordings(settings)))
    if settings.joins_others and "web" in settings.server.roles:
        checks.append(("nodes", lambda: nodes_certificates(settings.server.nodes_ca)))
    if settings.webhooks:
        checks.append(("webhooks", lambda: records.webhooks(settings.webhooks)))
    needless = _needless(settings)
    checks = [(name, check) for name, check in checks if name not in needless]
    return [_guarded(name, check) for name, check in checks]


def _needless(settings: Settings) -> frozenset[str]:
    """Checks of what a process with these settings has no use for."""
    if settings.server.roles == ("asr",):
        return _NOT_OF_A_NODE
    shared = settings.asr.engine == "nats" and settings.asr.fallback != "whisper"
    return frozenset({"model whisper"} if shared else ())


def healthy(checks: Sequence[Check]) -> bool:
    """Whether calls can be taken: nothing is broken, warnings aside."""
    return all(check.ok is not False for check in checks)


def to_dict(checks: Sequence[Check]) -> dict[str, Any]:
    """For --json."""
    return {"ok": healthy(checks), "checks": [asdict(check) for check in checks]}


def to_table(checks: Sequence[Check]) -> Table:
    """For people; what to do stands beneath what is wrong."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "finding"):
        table.add_column(heading, overflow="fold")
    marks = {True: "[green]ok[/]", None: "[yellow]warn[/]", False: "[red]FAIL[/]"}
    for check in checks:
        finding = check.detail + (f"\n[bold]→ {check.remedy}[/]" if check.remedy else "")
        table.add_row(marks[check.ok], check.name, finding)
    return table


def processor() -> Check:
    """Cores, and the instruction set that the models' engines want."""
    cores = len(os.sched_getaffinity(0))
    detail = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"
    if not e5_runs_here():
        return Check(
            "processor", None, f"{detail}, no AVX2",
            "Calls work, slower and with one sentence encoder less; use an x86-64 with AVX2.",
        )  # fmt: skip
    if cores < 2:
        return Check("processor", None, detail, "Give the machine two cores for live calls.")
    return Check("processor", True, f"{detail}, AVX2")


def threads(asr_threads: int) -> Check:
    """More threads than cores make every call slower."""
    cores = len(os.sched_getaffinity(0))
    variable = os.environ.get("OMP_NUM_THREADS", "")
    detail = f"asr.threads = {asr_threads}, OMP_NUM_THREADS {variable or 'not set'}"
    if asr_threads > cores:
        return Check("threads", None, detail, f"Set asr.threads to {cores}, the number of cores.")
    if variable.isdigit() and int(variable) > cores:
        return Check("threads", None, detail, "Unset OMP_NUM_THREADS, or set it to 1.")
    return Check("threads", True, detail)


def model(state: ModelState) -> Check:
    """One model's files."""
    name = f"model {state.name}"
    if state.status in ("ready", "beside"):
        return Check(name, True, f"{state.bytes / 1e6:.0f} MB in {state.path}")
    if state.status == "skipped":
        return Check(name, None, state.detail)
    if state.name == "listener":
        return Check(name, None, state.detail, f"Calls work without it. {_FETCH}")
    return Check(name, False, state.detail, _MEND if state.status == "damaged" else _FETCH)


def listener(folder: Path | None) -> Check:
    """The phonetic listener in the folder that the settings find, loaded."""
    if folder is None:
        return Check(
            "listener", None, "no model: calls work on the transcriber alone, later by a second",
            f"{_FETCH} Or set paths.listener.",
        )  # fmt: skip
    from asr.listener import Listener

    began = time.monotonic()
    Listener(folder)
    return Check("listener", True, f"loads in {time.monotonic() - began:.1f} s from {folder}")


def espeak() -> Check:
    """The voice of last resort."""
    program = shutil.which("espeak-ng")
    if program is None:
        return Check(
            "espeak-ng", None, "not installed: nothing speaks if the main voice fails",
            "Install the Debian package espeak-ng.",
        )  # fmt: skip
    return Check("espeak-ng", True, program)


def audio(settings: Settings) -> Check:
    """A sentence is spoken and recognised: the whole chain of audio without a line."""
    from asr.errors import EngineError, NodesAway
    from voicebot.call.speech import open_synthesizer

    synthesizer = open_synthesizer(settings.speech.voice, settings.paths.models)
    synthesizer.render(SENTENCE)
    began = time.monotonic()
    speech = synthesizer.render(SENTENCE)
    cost = (time.monotonic() - began) / speech.seconds
    said = f"{speech.voice} speaks at {cost:.2f} s a second"
    engine = settings.asr.engine
    if engine == "none":
        return Check("audio", True, f"{said}; no transcriber is configured")
    try:
        return _recognised("audio", settings, engine, speech, said)
    except EngineError as error:
        if not settings.asr.fallback:
            if isinstance(error, NodesAway):
                return Check("audio", False, f"{said}; nothing recognises it: {error}", _NODES)
            raise
        detail = f"{said}; {engine} does not recognise: {error}"
        return Check("audio", None, detail, "Calls use asr.fallback until it does.")


def _nodes(settings: Settings) -> Check:
    from voicebot.doctor_nodes import nodes

    return nodes(settings)


def nodes_certificates(ca: str) -> Check:
    """Requests about a call of another node go there with the tokens of those who ask."""
    from voicebot.cluster.errors import BusSettingsError
    from voicebot.cluster.node_certificates import nodes_tls

    if not ca:
        detail = "those of this machine alone: server.nodes_ca is not set"
        return Check("nodes", True, detail)
    try:
        found = nodes_tls(ca).cert_store_stats()["x509"]
    except BusSettingsError as error:
        return Check("nodes", False, str(error), "Correct server.nodes_ca.")
    return Check("nodes", True, f"their certificates are checked with {found} in {ca}")


def fallback(settings: Settings) -> Check:
    """The engine behind the first recognises a sentence too."""
    from voicebot.call.speech import open_synthesizer

    speech = open_synthesizer(settings.speech.voice, settings.paths.models).render(SENTENCE)
    return _recognised("fallback", settings, settings.asr.fallback, speech, "spoken")


def _recognised(name: str, settings: Settings, engine: str, speech: Speech, said: str) -> Check:
    """What an engine hears of the sentence through a telephone's bandwidth."""
    from asr.phonetics import similarity, to_syllables
    from voicebot.call.speech import at_rate
    from voicebot.recognisers import open_transcriber_for

    transcriber = open_transcriber_for(settings, engine=engine)
    telephone = at_rate(at_rate(speech, 8000), 16000).pcm.astype(np.float32) / np.float32(32768)
    began = time.monotonic()
    heard = transcriber.transcribe(telephone)
    seconds = time.monotonic() - began
    syllables = heard.syllables or to_syllables(heard.text)
    score = similarity(syllables, to_syllables(SENTENCE))
    detail = f"{said}; {heard.engine} hears {score:.0%} of it in {seconds:.1f} s"
    if score >= ALIKE:
        return Check(name, True, detail)
    if speech.voice.startswith("espeak"):
        return Check(name, None, f"{detail}; espeak is hard to understand", _FETCH)
    return Check(name, False, f"{detail}: {heard.text!r}", f"{_MEND} Or check asr.engine.")


def embedder(models_dir: Path, model_folder: str) -> Check:
    """Sentences of one meaning lie closer than others."""
    from voicebot.embedder import SentenceEmbedder

    encoder = SentenceEmbedder(models_dir, model=Path(model_folder) if model_folder else None)
    encoder.warm_up()
    began = time.monotonic()
    rows = encoder.embed(["居住证怎么办", "办居住证要什么材料", "路灯坏了没人修"])
    cost = (time.monotonic() - began) / len(rows) * 1000
    near, far = float(rows[0] @ rows[1]), float(rows[0] @ rows[2])
    detail = f"{' + '.join(encoder.parts)}, {cost:.0f} ms a sentence"
    if near <= far:
        return Check("embedder", False, f"{detail}; its vectors make no sense", _MEND)
    if not model_folder and len(encoder.parts) < 2:
        return Check("embedder", None, f"{detail}; e5 is missing, search is weaker", _FETCH)
    return Check("embedder", True, detail)


def port(host: str, number: int) -> Check:
    """Free to listen on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return Check(
                "port", None, f"{host}:{number} cannot be bound ({error.strerror})",
                "If the service is not what runs there, set server.port to a free one.",
            )  # fmt: skip
    return Check("port", True, f"{host}:{number} is free")


def disk(state: Path) -> Check:
    """Space for recordings and records."""
    folder = next(p for p in (state, *state.parents) if p.is_dir())
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check(
            "disk", False, f"{folder} cannot be written", "Mend its owner or set paths.state."
        )
    if free < FREE_BYTES:
        return Check("disk", None, detail, "Free some space, or set paths.state elsewhere.")
    return Check("disk", True, detail)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check that itself breaks is a finding, not a traceback."""
    try:
        return check()
    except Exception as error:
        reason = str(error) or type(error).__name__
        of_a_model = name.split()[0] in ("model", "listener", "audio", "fallback", "embedder")
        return Check(name, False, reason.splitlines()[0], _MEND if of_a_model else _REPORT)
