"""A little of what `make fuzz ARGS=doors` does for a million messages."""

from __future__ import annotations

import asyncio
import os

import pytest
from accounting import assert_balanced
from doors_rig import serve

from robustness.fuzz.door_clients import ATTACKERS
from robustness.fuzz.doors import attack

MESSAGES = 1000


class InThisProcess:
    """As the fuzzer asks a server in a process of its own."""

    pid = os.getpid()

    def __init__(self, server) -> None:
        self._server = server

    def ask(self, question):
        assert question == {}
        return {**assert_balanced(self._server), "exact": True}


@pytest.mark.parametrize("kind", ATTACKERS)
def test_broken_messages_are_refused_or_served_and_all_are_accounted_for(kind, capsys):
    zeros = {"actions": [[0.0] * 3] * 2}
    with serve({"policy": lambda obs: zeros}, kind) as server:
        attacker = ATTACKERS[kind](server.doors()[0]["address"], seed=7)
        asyncio.run(attack(InThisProcess(server), attacker, MESSAGES))
    assert "in the second half (not judged" in capsys.readouterr().out
