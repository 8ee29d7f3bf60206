"""Texts of switches and engines, which may end in half a character."""


def whole(text: str) -> str:
    """Without lone surrogates, which neither a database nor a message can hold: ? stands there."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
