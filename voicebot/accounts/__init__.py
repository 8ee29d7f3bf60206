"""People who log in: accounts with passwords or from an OIDC provider, and their sessions.

`brake`, `names` and `passwords` decide and are pure; `keeping` and `sessions` are the records;
`log_in` and `oidc` are the two ways to a session. `voicebot.web.sessions` is its HTTP.
"""
