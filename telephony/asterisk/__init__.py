"""Asterisk as the telephone endpoint: the PBX owns the calls, the bot is a leaf.

Control goes over ARI (`ari`), audio over chan_websocket (`media`); `endpoint` offers the
calls, `call` and `leg` are `telephony.call_control` for them, and `watchdog` is the
process that keeps callers connected to humans when all of that is dead.
"""
