"""The telephone side: codecs, media WebSockets, legs to duty desks, the dial allow-list.

The service takes a call with `media_stream` and dials with `dialing` and `leg`;
`caller` and `desk` are the telephone and the duty desk that tests and the demo use.
Import what is needed from its module: some of them load pipecat or uvicorn.
"""
