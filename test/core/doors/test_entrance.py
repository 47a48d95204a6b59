"""Doors that are attended by whoever listens for messages, from before models are there."""

from __future__ import annotations

import socket
import threading

import numpy as np
from accounting import assert_balanced
from doors_rig import BOUND_S, Gr00tClient, OpenpiClient, address, serve, wait_for

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server
from inferential_core.transport.memory import MemoryTransport


class SlowToLoad(LocalDispatcher):
    """Its models are ready when the test says so."""

    def __init__(self, models) -> None:
        super().__init__(models)
        self.loading, self.loaded = threading.Event(), threading.Event()

    def start(self, on_done):
        self.loading.set()
        assert self.loaded.wait(BOUND_S)
        super().start(on_done)


def echo(obs):
    return {"actions": obs["state"]}


def test_clients_are_let_in_and_kept_alive_while_models_are_loaded():
    dispatcher = SlowToLoad({"policy": echo})
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"
    door = {"kind": "openpi", "bind": where}
    server = serve({}, door, "gr00t", dispatcher=dispatcher)
    starting = threading.Thread(target=server.start)
    starting.start()
    try:
        assert dispatcher.loading.wait(BOUND_S)
        with OpenpiClient(f"ws://{where}") as client:
            client.send(client.pack({"state": np.float32([1])}))
            assert client.socket.ping().wait(BOUND_S)
            dispatcher.loaded.set()
            assert client.receive()["actions"] == [1]
            starting.join()
            assert client.infer({"state": np.float32([2])})["actions"] == [2]
            assert_balanced(server)
    finally:
        dispatcher.loaded.set()
        starting.join()
        server.stop()


def test_a_transport_that_watches_nothing_has_its_doors_attended_all_the_same():
    config = InferentialConfig(
        doors=[{"kind": kind, "bind": "127.0.0.1:0"} for kind in ("openpi", "gr00t")]
    )
    dispatcher = LocalDispatcher({"policy": lambda obs: {"action.arm": obs["state"]}})
    with Server(config=config, dispatcher=dispatcher, transport=MemoryTransport()) as server:
        with OpenpiClient(address(server, 0)) as first, Gr00tClient(server, 1) as second:
            assert first.infer({"state": np.float32([1])})["action"]["arm"] == [1]
            answer = second.call("get_action", {"state": np.float32([[2]])})
            assert answer["action.arm"] == [[2]]
        wait_for(lambda: server.doors()[0]["clients"] == 0)


def test_clients_that_keep_a_door_busy_leave_room_for_the_socket():
    with serve({"policy": echo}, "openpi") as server:
        stop = threading.Event()

        def hurry(client):
            while not stop.is_set():
                client.infer({"state": np.float32([1])})

        clients = [OpenpiClient(address(server)) for _ in range(4)]
        threads = [threading.Thread(target=hurry, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        try:
            with Connection(server.address) as connection:
                model = connection.model("policy")
                for number in range(50):
                    model.observe(state=np.float32([number]))
                    assert model.get_result(20_000)["actions"][0] == number
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()
        assert_balanced(server)
