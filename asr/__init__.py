"""Recognisers behind one interface, and Mandarin by sound.

``engines.open_transcriber`` gives text (Whisper, Vosk), ``listener.Listener`` toned syllables;
``phonetics`` is pure and the only part that ``kb`` and ``flows`` may use. Importing loads no model.
"""
