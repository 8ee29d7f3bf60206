"""Live transcripts for human agents (坐席) over WebSocket: vosk-server's protocol and a richer one.

``server.TranscriptionServer`` answers; ``stream_protocol`` and ``vosk_protocol`` are the two
conversations; ``side`` hears one speaker. How the protocols look is in docs/asr-service.md.
"""
