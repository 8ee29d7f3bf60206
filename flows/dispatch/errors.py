"""What can be wrong with the data of dispatch; `str()` is fit to be shown to the user."""


class DispatchError(Exception):
    """A file of departments, duties, lines or weights is missing or wrong; names where."""

    code = "dispatch.data"
