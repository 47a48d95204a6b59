#!/usr/bin/env bash
# pyzmq 27.3.0 (CPython 3.11): an exception out of a signal handler, such as the KeyboardInterrupt of
# Ctrl-C, is swallowed where the signal comes while a zmq.Frame is freed. Freeing one runs pending
# signal handlers (zmq_msg_close, then PyErr_CheckSignals), and what they raise cannot leave a
# __dealloc__: Python prints "Exception ignored in: 'zmq.backend.cython._zmq.Frame.__dealloc__'" and
# goes on. So a program that receives with copy=False may not stop at its first Ctrl-C.
# Seen, three times of three:
#   Exception ignored in: 'zmq.backend.cython._zmq.Frame.__dealloc__'
#   the handler ran: True, its exception came out: False
# This fails if the exception comes out.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyzmq==27.3.0
"$folder/venv/bin/python" - <<'EOF'
import signal
import sys

import zmq

frames = [zmq.Frame(b"x") for _ in range(300_000)]
ran = came_out = False


def handler(*_):
    global ran
    ran = True
    raise KeyboardInterrupt


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01)  # while the frames are freed, which takes longer
try:
    frames.clear()
except KeyboardInterrupt:
    came_out = True
print(f"the handler ran: {ran}, its exception came out: {came_out}")
sys.exit(0 if ran and not came_out else 1)
EOF
