"""Strings of a PDF's own structures: notes, values of fields, names of files."""


def join_string(value: object) -> str:
    """Return the words of a string, without the NUL characters that some programs end it with."""
    return " ".join(str(value or "").replace("\x00", " ").split())
