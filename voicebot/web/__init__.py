"""The HTTP API: `create_app(service)` in `voicebot.web.api`, tokens in `voicebot.web.access`."""
