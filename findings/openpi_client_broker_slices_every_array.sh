#!/usr/bin/env bash
# openpi-client's ActionChunkBroker takes a row of every array in an answer, not of the actions only
#
# Version: openpi-client 0.1.2, numpy 1.26.4, Python 3.11, Linux.
# Behaviour: the broker hands out one step of a chunk per call. It indexes all arrays of the answer
#   with the step, so that a state vector beside the actions comes out as one of its numbers; where
#   it is shorter than the action horizon, the call raises an IndexError, and so does every later
#   call: the answer that is too short is kept until `reset`.
# Output seen, of a policy that answers 4 actions and a state of 3 numbers, action horizon 4:
#   step 0: state 0.0
#   step 1: state 1.0
#   step 2: state 2.0
#   step 3: IndexError
#   step 4: IndexError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  openpi-client==0.1.2 numpy==1.26.4 typing_extensions
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.base_policy import BasePolicy


class Policy(BasePolicy):
    def infer(self, obs):
        return {"actions": np.zeros((4, 2)), "state": np.arange(3.0)}


broker = ActionChunkBroker(Policy(), action_horizon=4)
seen = []
for step in range(5):
    try:
        seen.append(f"state {broker.infer({})['state']}")
    except IndexError:
        seen.append("IndexError")
    print(f"step {step}: {seen[-1]}")
assert seen == ["state 0.0", "state 1.0", "state 2.0", "IndexError", "IndexError"]
PYTHON
