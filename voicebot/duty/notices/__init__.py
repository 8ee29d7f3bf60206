"""Notices to people on duty: told until one of them says that he has it.

    opening.py    a notice is written, in the transaction of what it tells
    telling.py    who is told next, and when nobody is left. Pure
    content.py    what a message says: no word of the caller
    receipts.py   a notice is acknowledged, once
    secret.py     signatures and one-time tokens
    queue.py      what is due; claimed, delivered, failed: each one transaction
    channels.py   webhook, SMS gateway, e-mail
    worker.py     does it, in the service

A message is a row before it is sent and stays one until it is delivered, so that a crash in
between sends it again; who gets it twice knows it by its id.
"""
