"""What is kept: calls, event logs, transcripts, tickets, hand-offs, tokens, audit.

`voicebot.records.store.Records` is the way in; `codec` turns events and actions into JSON.
"""
