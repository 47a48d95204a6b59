"""Depth of 16 bits: a model sees uint16, and a peer that does not know it gets int32."""

from __future__ import annotations

from typing import Any

import numpy as np
from house import House

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.client.session import ClientSession, ModelOptions
from inferential_core.clock import SystemClock
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

DEPTH = np.array([[0, 1000], [40000, 65535]], np.uint16)


def test_a_model_sees_uint16_from_the_first_observation_on_and_answers_with_it() -> None:
    seen: list[np.dtype] = []

    def model(observation: dict[str, Any]) -> dict[str, Any]:
        seen.append(observation["depth"].dtype)
        return {"depth": observation["depth"]}

    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": model})) as server:
        with Connection(server.address, client_id="robot") as connection:
            policy = connection.model("policy")
            for _ in range(3):  # the first before the server said what it accepts
                policy.observe(depth=DEPTH)
                answer = policy.get_result(20_000)
                assert answer is not None and answer["depth"].dtype == np.uint16
                np.testing.assert_array_equal(answer["depth"], DEPTH)
    assert seen == [np.dtype(np.uint16)] * 3


def sent_by(session: ClientSession) -> int:
    """The wire's dtype of a depth that a client sends now."""
    _, frames = session.observe(session.open("policy", ModelOptions()), {"depth": DEPTH})
    return int(pb.Observation.FromString(bytes(frames[1])).tensors[0].dtype)


def test_uint16_is_sent_only_to_a_server_that_said_it_accepts_it() -> None:
    session = ClientSession("robot", "", SystemClock())
    assert sent_by(session) == pb.INT32
    for accepts, dtype in ((True, pb.UINT16), (False, pb.INT32), (True, pb.UINT16)):
        answer = pb.ModelResponse(model_id="policy", accepts_uint16=accepts)
        session.feed([b"", answer.SerializeToString(), b""])
        assert sent_by(session) == dtype
    session.lost("another server may be there next")
    assert sent_by(session) == pb.INT32


def test_a_client_that_does_not_accept_uint16_is_answered_in_int32() -> None:
    house = House()
    published = house.client("robot")
    for accepts, dtype in ((False, pb.INT32), (True, pb.UINT16)):
        header = ObservationHeader(
            "robot", "policy", request_id=1 + accepts, accepts_uint16=accepts
        )
        published.send(encode_observation(header, {"depth": DEPTH}))
        house.settle()
        (request,) = house.dispatcher.batches[0].requests
        assert request.inputs["depth"].dtype == np.uint16
        house.complete({"depth": DEPTH})
        frames = published.receive()
        assert pb.ModelResponse.FromString(bytes(frames[1])).tensors[0].dtype == dtype
