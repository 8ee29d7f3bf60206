"""Which recognisers the settings name."""

from __future__ import annotations

from pathlib import Path

from asr.engines import EngineFolders, RemoteEngine
from asr.remote.address import RemoteServer, read_token
from asr.remote.conversation import Limits
from voicebot.config import Settings


def engine_folders(settings: Settings) -> EngineFolders:
    """Where each engine's model lies, and the speech server.

    Raises:
        RemoteAddressInvalid: the server's token file cannot be used.
    """
    whisper, vosk = settings.asr.whisper_model, settings.asr.vosk_model
    remote = None
    if settings.asr.url:
        token, tls_ca = settings.asr.token_file, settings.asr.tls_ca
        remote = RemoteEngine(
            RemoteServer(
                settings.asr.url,
                token=read_token(Path(token).expanduser()) if token else "",
                tls_ca=Path(tls_ca).expanduser() if tls_ca else None,
            ),
            settings.asr.funasr_mode,
            Limits(final_s=settings.asr.final_deadline_s),
        )
    return EngineFolders(
        whisper=Path(whisper) if whisper else settings.paths.models / "whisper-base",
        vosk=Path(vosk) if vosk else None,
        listener=settings.paths.listener_folder(),
        remote=remote,
    )
