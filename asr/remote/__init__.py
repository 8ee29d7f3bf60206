"""Recognisers that run elsewhere: vosk-server and FunASR's runtime, over their WebSocket protocols.

``transcriber.RemoteTranscriber`` is the ``Recognizer``. What is said on the wire is in
``vosk_server`` and ``funasr``, without a socket; ``conversation`` carries one utterance over as
many connections as it takes.
"""
