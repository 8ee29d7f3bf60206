"""Callers' ears in a process of their own, for it has an interpreter of its own, and what crashes
or hangs there costs no call.

Each call keeps the audio of its present utterance (``ear``); a lost process is replaced by one that
is loaded already (``keeper``), and is told that audio again. While there is none, callers' audio
waits; after some seconds a thread of this process hears them. A process that is old or has grown
hears its calls to their end while another hears new ones.
"""
