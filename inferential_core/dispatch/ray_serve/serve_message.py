"""What Ray Serve says of an application that does not start, in one line.

Its message may be pages long: a sentence, then "Error:" and the replica's whole traceback, which
ends in the error of the user's own code.
"""

from __future__ import annotations

import os
import re

_MOST = 400  # characters
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_PLACE = re.compile(r"\([^()]+\.py:\d+\)$")
_OURS = re.compile(r"^[\w.]*\bConfigError: ")


def in_one_line(message: str) -> str:
    """The sentence that a message begins with, and the error that its traceback ends in."""
    sentence, _, trace = message.partition("Error:")
    sentence = " ".join(sentence.split())
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    if not _FRAME.search(trace):
        return " ".join(message.split())[:_MOST]
    error = _OURS.sub("", lines[-1])
    if not _PLACE.search(error):
        file, line = _FRAME.findall(trace)[-1]
        error = f"{error} ({os.path.basename(file)}:{line})"
    return f"{sentence} {error}".strip()[:_MOST]
