#!/usr/bin/env bash
# watchfiles 1.1.0 (PyPI, CPython 3.10 to 3.13, Linux): `watch()` is not woken by inotify. Its loop
# in Rust sleeps `step` ms (default 50), looks at a list and sleeps again, so that a thread that
# waits for a file to change wakes 20 times a second for ever. watchdog 6.0.0, which stands on the
# same inotify, sleeps until there is an event.
#
# Seen (wake-ups of all threads but the main one, in 4 s in which nothing changes):
#     watchfiles 79 wake-ups
#     watchdog 0 wake-ups
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check watchfiles==1.1.0 watchdog==6.0.0
cat >"$folder/idle.py" <<'PYTHON'
import os
import sys
import tempfile
import threading
import time
from pathlib import Path


def wake_ups():
    """Voluntary context switches of every thread but the main one."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) != os.getpid():
            lines = (task / "status").read_text().splitlines()
            found[task.name] = int(
                next(line for line in lines if line.startswith("voluntary")).split()[1]
            )
    return found


folder = tempfile.mkdtemp()
if sys.argv[1] == "watchfiles":
    from watchfiles import watch

    def wait():
        for _ in watch(folder, recursive=False):
            pass

    threading.Thread(target=wait, daemon=True).start()
else:
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    observer = Observer()
    observer.schedule(FileSystemEventHandler(), folder)
    observer.start()
time.sleep(1.0)
before = wake_ups()
time.sleep(4.0)
count = sum(after - before[task] for task, after in wake_ups().items())
print(sys.argv[1], count, "wake-ups")
os._exit(0 if (count > 40) == (sys.argv[1] == "watchfiles") else 1)
PYTHON
"$folder/venv/bin/python" -u "$folder/idle.py" watchfiles
"$folder/venv/bin/python" -u "$folder/idle.py" watchdog
