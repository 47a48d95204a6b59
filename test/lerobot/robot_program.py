"""The robot of examples/door_lerobot.py, asked by a test: `robot_program.py ADDRESS MODEL`.

Each line of its input is looked at: `wait N` answers once it executed N more actions, `stop` ends
it. Each answer is a line of JSON with what happened so far: whether it began, its actions, the
timesteps of the observations that it sent, and the errors that its log tells its user.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2] / "examples"))
import door_lerobot

PATIENCE_S = 60.0


class Errors(logging.Handler):
    """What LeRobot's log tells its user as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main(address: str, model: str) -> None:
    """Run until stdin ends or says so."""
    client = door_lerobot.client(address, model)
    errors, steps = Errors(), []
    client.logger.addHandler(errors)
    send = client.send_observation

    def watched(observation: Any) -> bool:
        steps.append(observation.get_timestep())
        return send(observation)

    client.send_observation = watched
    began = client.start()

    def tell() -> None:
        found = {"began": began, "actions": client.robot.actions, "errors": errors.lines[-5:]}
        print(json.dumps({**found, "errors_told": len(errors.lines), "steps": steps}), flush=True)

    tell()
    if not began:
        return
    threading.Thread(target=client.receive_actions, daemon=True).start()
    loop = threading.Thread(target=client.control_loop, args=("pick",), daemon=True)
    loop.start()
    for line in sys.stdin:
        word, *count = line.split()
        if word == "stop":
            break
        wanted = len(client.robot.actions) + int(count[0])
        until = time.monotonic() + PATIENCE_S
        while len(client.robot.actions) < wanted and time.monotonic() < until:
            time.sleep(0.01)
        tell()
    client.shutdown_event.set()
    loop.join()
    tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
