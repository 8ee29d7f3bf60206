"""`voicebot audio`: recordings for tests and benchmarks."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import InputError

if TYPE_CHECKING:
    from telephony.codecs import Int16
    from telephony.line_simulation import Echo, Float, Noise

app = typer.Typer(no_args_is_help=True, help="Recordings for tests and benchmarks.")

MAX_SECONDS = 3600.0
"""The whole recording is held in memory."""

_RATES = (8000, 16_000)
_PACKETS_IN_BURST = 4.0  # 80 ms
_PERCENT = re.compile(r"(\d+(?:\.\d*)?)\s*%")
_ECHO = re.compile(r"(-?\d+(?:\.\d*)?)(?:dB)?:(\d+(?:\.\d*)?)ms", re.IGNORECASE)


@app.callback()
def group() -> None:
    """Recordings for tests and benchmarks."""


@app.command()
def telephone(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="WAV, FLAC, MP3 or OGG; channels are mixed.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="New WAV file, 16 bit, mono.")],
    codec: Annotated[str, typer.Option(help="alaw, mulaw or l16 (none).")] = "alaw",
    level: Annotated[
        float | None, typer.Option(help="Active speech level, dBFS; as it is by default.")
    ] = None,
    noise: Annotated[
        str, typer.Option(help="white, pink, hum, file:FILE, or babble:FILE made of speech.")
    ] = "",
    snr: Annotated[float | None, typer.Option(help="Speech over noise, dB (15).")] = None,
    echo: Annotated[
        str, typer.Option(help="The talker's echo: level and delay, such as -30:120ms.")
    ] = "",
    loss: Annotated[str, typer.Option(help="Packets of 20 ms lost, such as 3%.")] = "",
    burst: Annotated[
        bool, typer.Option("--burst", help="Lost in runs of four on average, not one by one.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and losses.")] = 0,
    rate: Annotated[
        int, typer.Option(help="Of OUT: 8000, or 16000 as recognisers take it.")
    ] = 8000,
    force: Annotated[bool, typer.Option("--force", help="Write over OUT.")] = False,
) -> None:
    """What a recording sounds like at the other end of a telephone line.

    In this order: 300 to 3400 Hz at 8 kHz, level, echo, noise, G.711, packet loss with
    concealment. The same options and seed give the same file.

    \b
    Examples:
      voicebot audio telephone question.wav line.wav
      voicebot audio telephone question.mp3 bad.wav --level -30 --noise pink --snr 10
      voicebot audio telephone question.wav ip.wav --codec mulaw --loss 3% --burst --seed 7
      voicebot audio telephone question.wav street.wav --noise file:street.flac --snr 5
      voicebot audio telephone question.wav echo.wav --echo -30:120ms --rate 16000
    """
    from asr.audio import SAMPLE_RATE, shown
    from telephony.codecs import FRAME_SECONDS, WireFormat
    from telephony.line_simulation import RATE, LineCondition, simulate_line

    if codec not in ("alaw", "mulaw", "l16"):
        raise InputError(f"--codec {codec}: use alaw, mulaw or l16.")
    if rate not in _RATES:
        raise InputError(f"--rate {rate}: use 8000 or 16000.")
    if snr is not None and not noise:
        raise InputError("--snr says how far noise lies below the speech: add --noise.")
    if burst and not loss:
        raise InputError("--burst says how losses come: add --loss.")
    _check_target(source, target, force=force)
    try:
        condition = LineCondition(
            wire=WireFormat.named(codec, RATE),
            level_dbfs=level,
            echo=_echo(echo),
            noise=_noise(noise),
            snr_db=15.0 if snr is None else snr,
            loss=_share(loss),
            burst=_PACKETS_IN_BURST if burst else 1.0,
            seed=seed,
        )
    except ValueError as error:
        raise InputError(f"There is no such line: {error}.") from error
    received = simulate_line(_read(source), SAMPLE_RATE, condition)
    _write(target, received.pcm, rate)
    typer.echo(
        f"{shown(target)}: {received.pcm.size / RATE:.2f} s, "
        f"{int(received.lost.sum())} of {received.lost.size} packets "
        f"of {FRAME_SECONDS * 1000:.0f} ms lost."
    )


def _check_target(source: Path, target: Path, *, force: bool) -> None:
    from asr.audio import shown

    if target.suffix.lower() != ".wav":
        raise InputError(f"OUT is a WAV file: name it {shown(target.with_suffix('.wav').name)}.")
    if target.is_dir():
        raise InputError(f"{shown(target)} is a folder; name a file in it.")
    if target.exists():
        if source.exists() and target.samefile(source):
            raise InputError("OUT is IN; choose another name.")
        if not force:
            raise InputError(f"{shown(target)} is there already; --force writes over it.")


def _share(text: str) -> float:
    if not text:
        return 0.0
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"--loss {text}: write it like 3%.")
    return float(match[1]) / 100


def _echo(text: str) -> Echo | None:
    from telephony.line_simulation import Echo

    if not text:
        return None
    match = _ECHO.fullmatch(text.strip())
    if match is None:
        raise InputError(f"--echo {text}: write it like -30:120ms.")
    return Echo(float(match[1]), float(match[2]) / 1000)


def _noise(text: str) -> Noise | None:
    from asr.audio import SAMPLE_RATE, shown
    from telephony.line_simulation import NOISES, babble, recorded

    if not text:
        return None
    if text in NOISES:
        return NOISES[text]
    kind, _, name = text.partition(":")
    made_of = {"file": recorded, "babble": babble}.get(kind)
    if made_of is None or not name:
        raise InputError(f"--noise {text}: use {', '.join(NOISES)}, file:FILE or babble:FILE.")
    pcm = _read(Path(name))
    if not pcm.any():
        raise InputError(f"{shown(name)} is silent: it makes no noise.")
    return made_of(pcm, SAMPLE_RATE)


def _read(path: Path) -> Float:
    from asr.audio import read

    return read(path, max_seconds=MAX_SECONDS)


def _write(path: Path, pcm: Int16, rate: int) -> None:
    """The whole file or none of it: under a name of its own until it is complete."""
    import soundfile
    import soxr

    from asr.audio import shown
    from telephony.line_simulation import RATE

    samples = pcm if rate == RATE else soxr.resample(pcm, RATE, rate, quality="HQ")
    unfinished = path.with_name(f".{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
