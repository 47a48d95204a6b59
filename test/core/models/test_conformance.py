"""A model behaves alike on a thread, in a process of its own and in a replica of Ray's."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import conformance_models
import numpy as np
import pytest

from inferential_core import EncodedImage, LocalDispatcher
from inferential_core.dispatch.base import Batch, Completion, Dispatcher
from inferential_core.dispatch.ray_serve import RayServeDispatcher
from inferential_core.errors import MOST_TEXT, describe
from inferential_core.request import InferenceRequest
from inferential_core.wire.images import encode

SOON_S = 60.0  # a bound, not a duration
FORMS = ("function", "Single", "Batch", "AsyncSingle", "AsyncBatch")
OTHERS = ("Recurrent", "Nested", "Compiled")
MODELS = {name: f"conformance_models:{name}" for name in (*FORMS, *OTHERS)}
SOURCE = Path(conformance_models.__file__).read_text().splitlines()


class Site:
    """A dispatcher of all the models, asked past any server."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self._done: queue.Queue[Completion] = queue.Queue()
        self._changed = threading.Event()
        dispatcher.on_change = self._changed.set
        dispatcher.start(self._done.put)
        while any(info.unavailable for info in dispatcher.models().values()):
            assert self._changed.wait(SOON_S), dispatcher.models()
            self._changed.clear()

    def ask(self, model: str, *observations: dict[str, Any], **asking: Any) -> list[Any]:
        """Results for one batch; clients are c0, c1 and so on."""
        x = np.zeros(1)
        requests = [
            InferenceRequest(
                f"c{at}", model, inputs={"x": x.copy(), **each}, **{"request_id": 5, **asking}
            )
            for at, each in enumerate(observations)
        ]
        self.dispatcher.submit(Batch(model, requests))
        return list(self._done.get(timeout=SOON_S).results)

    def told(self, model: str, do: str) -> str:
        """What is told of the error that an observation comes to."""
        (result,) = self.ask(model, {"do": do})
        assert isinstance(result, Exception), result
        return describe(result)


@pytest.fixture(scope="module", params=["thread", "process", "Ray"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    dispatcher: Dispatcher
    if request.param == "Ray":
        cluster = request.getfixturevalue("ray_cluster")
        dispatcher = RayServeDispatcher(address=cluster.address, deploy=MODELS)
    else:
        dispatcher = LocalDispatcher(dict(MODELS), process=request.param == "process")
    try:
        yield Site(dispatcher)
    finally:
        dispatcher.close()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def place_of(line: str) -> str:
    (number,) = [at for at, text in enumerate(SOURCE, 1) if line in text]
    return f"(conformance_models.py:{number})"


# --- what it is given ---


def test_every_form_answers_each_observation_in_order(site: Site, form: str) -> None:
    for do in ("double", "bare"):
        results = site.ask(form, *({"x": np.array([at]), "do": do} for at in range(3)))
        assert [float(result["actions"][0]) for result in results] == [0.0, 2.0, 4.0]


def test_the_context_says_who_asks_and_is_the_class_that_this_package_has(
    site: Site, form: str
) -> None:
    deadline = time.monotonic() + 1000.0
    first, second = site.ask(form, *2 * [{"do": "who"}], epoch=7, deadline=deadline)
    assert (first["client"], second["client"]) == ("c0", "c1")
    assert second["numbers"].tolist() == [7, 5]
    assert bool(first["is_ours"]) and not bool(first["first"])
    assert 0.0 < float(first["left_s"]) <= 1000.0
    assert first["left_over"].size == 0


def test_the_context_has_what_the_robot_still_has_to_execute(site: Site, form: str) -> None:
    left = np.ones((10, 2), np.float32)
    chunk = {"prev_chunk_left_over": left, "left_over_steps": np.int32(6)}
    chunk["inference_delay"] = np.array(3, np.int32)
    first, second = site.ask(form, {"do": "who", **chunk}, {"do": "who"})
    np.testing.assert_array_equal(first["left_over"], left)
    assert first["steps"].tolist() == [6, 3]
    assert second["steps"].tolist() == [0, 0]


def test_arrays_are_read_only(site: Site, form: str) -> None:
    assert "read-only" in site.told(form, "write")


def test_images_arrive_decoded_and_a_broken_one_fails_alone(site: Site, form: str) -> None:
    picture = encode("camera", np.full((40, 60, 3), 200, np.uint8), "png")
    broken = EncodedImage(bytes(picture.data)[:60], "png", (40, 60, 3))
    bad, good = site.ask(form, *({"do": "see", "camera": each} for each in (broken, picture)))
    assert describe(bad).startswith("WireError: 'camera': broken png")
    assert (good["shape"].tolist(), float(good["mean"])) == ([40, 60, 3], 200.0)


def test_a_batch_is_padded_to_a_size_that_the_model_takes(site: Site) -> None:
    info = site.dispatcher.models()["Compiled"]
    assert (info.batch_sizes, info.max_batch) == ((2, 4), 4)
    for count, size in ((1, 2), (2, 2), (3, 4), (4, 4)):
        results = site.ask("Compiled", *({"x": np.array([at + 0.5])} for at in range(count)))
        assert [float(result["x"][0]) for result in results] == [at + 0.5 for at in range(count)]
        assert results[0]["sizes"][-1] == size


def test_one_bad_observation_of_a_padded_batch_fails_alone(site: Site) -> None:
    results = site.ask("Compiled", *({"x": np.array([x])} for x in (1.0, -1.0, 3.0)))
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert "x is negative" in describe(results[1])


# --- what it answers ---


def test_tensors_of_other_libraries_become_arrays(site: Site, form: str) -> None:
    (result,) = site.ask(form, {"do": "tensors"})
    for key, expected in (("grad", [1.0, 2.0]), ("half", [0.25, -1.5])):
        assert (result[key].dtype, result[key].tolist()) == (np.float32, expected)


def test_a_buffer_may_be_used_again(site: Site, form: str) -> None:
    results = site.ask(form, *({"x": np.array([at]), "do": "reuse"} for at in (1.0, 2.0)))
    alone = site.ask(form, {"x": np.array([3.0]), "do": "reuse"})
    told = [float(result["actions"][0]) for result in results + alone]
    assert told == ([2.0, 2.0, 3.0] if "Batch" in form else [1.0, 2.0, 3.0])


def test_compressed_images_may_be_answers(site: Site, form: str) -> None:
    (result,) = site.ask(form, {"do": "draw"})
    assert isinstance(result["picture"], EncodedImage)
    assert (result["picture"].encoding, result["picture"].shape) == ("png", (4, 6, 3))


def test_parts_of_an_answer_have_their_names_joined(site: Site, form: str) -> None:
    (result,) = site.ask(form, {"do": "parts"})
    assert result["action.arm"].shape == (2, 3) and result["action.hand.left"].tolist() == [0.5]
    assert sorted(result) == ["action.arm", "action.hand.left", "note"]


def test_texts_and_numbers_of_other_classes_arrive_as_what_they_are(site: Site, form: str) -> None:
    (result,) = site.ask(form, {"do": "texts"})
    assert (result["numpy"], result["enum"], float(result["number"])) == ("grasp", "grasp", 1.5)
    assert type(result["numpy"]) is type(result["enum"]) is str


def test_an_answer_that_cannot_be_sent_is_an_error_that_says_why(site: Site, form: str) -> None:
    for do, said in (
        ("none", "UsageError: the model returned None: return a dict or an array"),
        ("object", "WireError: 'actions': object is no array, number or string"),
        ("nested", "WireError: 'a.b': object is no array, number or string"),
        ("return an error", "ValueError: bad"),
    ):
        assert site.told(form, do) == said


@pytest.mark.parametrize("model", ["Batch", "AsyncBatch"])
def test_a_batch_without_an_answer_for_each_is_an_error(site: Site, model: str) -> None:
    for do, said in (
        ("one for all", "infer_batch returned one dict: return a list with a result for each"),
        ("too few", "infer_batch returned 0 results for 1 observations"),
    ):
        assert site.told(model, do).startswith(f"UsageError: {said}")


# --- what it raises ---


def test_an_error_is_told_with_its_class_its_text_and_its_place(site: Site, form: str) -> None:
    place = place_of('raise ValueError("no such joint")')
    assert site.told(form, "raise") == f"ValueError: no such joint {place}"


def test_what_is_no_exception_is_told_as_one(site: Site, form: str) -> None:
    for do, name, line in (
        ("exit", "SystemExit", 'sys.exit("no such joint")'),
        ("unusual", "Unusual", 'raise Unusual("no such joint")'),
    ):
        said = f"RuntimeError: the model raised {name}: no such joint {place_of(line)}"
        assert site.told(form, do) == said


def test_a_model_whose_iterator_ends_is_an_error_and_is_asked_again(site: Site, form: str) -> None:
    assert "StopIteration" in site.told(form, "stop")
    (result,) = site.ask(form, {})
    assert "actions" in result


def test_an_error_whose_text_cannot_be_made_is_told_all_the_same(site: Site, form: str) -> None:
    told = f"Mute: its text cannot be made: RuntimeError {place_of('raise Mute')}"
    assert site.told(form, "mute") == told


def test_a_long_text_is_cut_and_one_that_is_no_unicode_can_be_sent(site: Site, form: str) -> None:
    assert len(site.told(form, "chatter")) < MOST_TEXT + 100
    assert "file \\udcff is missing" in site.told(form, "surrogate")


def test_a_model_may_reject_an_observation(site: Site, form: str) -> None:
    assert site.told(form, "reject") == "RejectedError: 'x' is out of reach"


def test_one_bad_observation_fails_alone(site: Site, form: str) -> None:
    for do in ("raise", "exit", "unusual", "mute", "none"):
        first, second, third = site.ask(form, {"x": np.ones(1)}, {"do": do}, {"x": np.ones(1)})
        assert isinstance(second, Exception), do
        assert [float(each["actions"][0]) for each in (first, third)] == [2.0, 2.0]


def test_steps_that_are_no_number_fail_alone(site: Site, form: str) -> None:
    left = {"prev_chunk_left_over": np.ones((4, 2)), "left_over_steps": np.arange(3)}
    bad, good = site.ask(form, left, {"x": np.ones(1)})
    assert type(bad).__name__ == "TypeError"
    assert float(good["actions"][0]) == 2.0


# --- what it says of itself ---


def test_what_a_model_declares_reaches_the_server(site: Site) -> None:
    infos = site.dispatcher.models()
    for name in ("Single", "AsyncSingle"):
        assert (infos[name].version, infos[name].stateful) == ("single-1", False)
    assert infos["Batch"].specification == {"action_names": ["left", "right"], "horizon": 2}
    assert (infos["function"].version, infos["function"].specification) == ("", {})
    assert infos["Recurrent"].stateful


# --- one that keeps a state ---


def counts(results: list[Any]) -> list[int]:
    return [int(result["count"]) for result in results]


def test_an_episode_begins_with_a_reset_and_a_failing_one_fails_alone(site: Site) -> None:
    assert counts(site.ask("Recurrent", {}, {}, {})) == [1, 1, 1]
    assert counts(site.ask("Recurrent", {}, {}, {"break": "c1"})) == [2, 2, 2]
    first, second, third = site.ask("Recurrent", {}, {}, {}, epoch=1)
    assert counts([first, third]) == [1, 1]
    assert describe(second).startswith("RuntimeError: the model raised Unusual: no memory for c1")
    # It has no state to go on with: the next observation begins the episode.
    assert counts(site.ask("Recurrent", {"mend": "c1"}, epoch=1)) == [2]
    assert counts(site.ask("Recurrent", {}, {}, epoch=1)) == [3, 1]
    assert counts(site.ask("Recurrent", {}, {}, epoch=1, first_of_episode=True)) == [1, 1]


def test_a_client_that_left_is_forgotten_whatever_the_model_raises(site: Site) -> None:
    (before,) = site.ask("Recurrent", {}, epoch=2)
    site.dispatcher.forget("Recurrent", "c1", 0)
    site.dispatcher.forget("Recurrent", "c2", 0)
    (after,) = site.ask("Recurrent", {}, epoch=2)
    assert (before["known"], after["known"]) == ("c0,c1,c2", "c0")
    assert counts([before, after]) == [1, 2]


def test_a_model_that_takes_nested_observations_gets_them_as_they_were(site: Site) -> None:
    front = np.zeros((2, 2, 3), np.uint8)
    sent = {"images.front": front, "images.left": front, "task.0": "pick", "task.1": "place"}
    (result,) = site.ask("Nested", sent)
    assert result["shown"] == repr(
        {"images": ["front", "left"], "task": ["pick", "place"], "x": "ndarray"}
    )
