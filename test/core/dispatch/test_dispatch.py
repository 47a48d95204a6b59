"""Models of every form, what they may do wrong, and the lanes they run in."""

from __future__ import annotations

import asyncio
import functools
import io
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, EncodedImage, UsageError
from inferential_core.dispatch import Batch, Completion, InferenceContext, LocalDispatcher
from inferential_core.models.caller import ModelCaller
from inferential_core.models.loading import load_models
from inferential_core.request import InferenceRequest

SOON_S = 10.0  # a bound, not a duration: nothing below waits so long unless it is broken

Observation = dict[str, Any]


def context(client: str = "robot") -> InferenceContext:
    return InferenceContext.of(InferenceRequest(client, "policy", epoch=3, request_id=5))


def call(model: Any, *observations: Observation) -> list[Any]:
    caller = ModelCaller("policy", model)
    try:
        return caller.call(observations, [context(f"c{at}") for at in range(len(observations))])
    finally:
        caller.end_thread()


def double(obs: Observation) -> Observation:
    return {"actions": 2 * obs["x"]}


class Policy:
    def infer(self, obs: Observation) -> Observation:
        return double(obs)


class AsyncPolicy:
    async def infer(self, obs: Observation) -> Observation:
        await asyncio.sleep(0)
        return double(obs)


class CallablePolicy:
    def __call__(self, obs: Observation) -> Observation:
        return double(obs)


class BatchPolicy:
    def __init__(self) -> None:
        self.calls: list[int] = []

    def infer(self, obs: Observation) -> Observation:
        raise AssertionError("infer_batch is preferred")

    def infer_batch(self, batch: list[Observation]) -> Any:
        self.calls.append(len(batch))
        return [double(obs) for obs in batch]


class AsyncBatchPolicy:
    async def infer_batch(self, batch: list[Observation]) -> list[Observation]:
        await asyncio.sleep(0)
        return [double(obs) for obs in batch]


def scaled(scale: float, obs: Observation) -> Observation:
    return {"actions": scale * obs["x"]}


def bare_array(obs: Observation) -> np.ndarray:
    return 2 * obs["x"]


# --- forms ---


@pytest.mark.parametrize(
    "model",
    [
        double,
        lambda obs: double(obs),
        functools.partial(scaled, 2),
        CallablePolicy(),
        Policy(),
        AsyncPolicy(),
        BatchPolicy(),
        AsyncBatchPolicy(),
        bare_array,
    ],
    ids=lambda model: getattr(model, "__name__", type(model).__name__),
)
def test_every_form_of_model_answers_each_observation_in_order(model: Any) -> None:
    results = call(model, *({"x": np.array([at], np.float32)} for at in range(3)))
    assert [float(result["actions"][0]) for result in results] == [0.0, 2.0, 4.0]


def test_a_batch_is_one_call() -> None:
    policy = BatchPolicy()
    call(policy, *({"x": np.zeros(1)} for _ in range(5)))
    assert policy.calls == [5]


@pytest.mark.parametrize("model", [3, None, "name", object()])
def test_what_is_no_model_is_told_when_it_is_given(model: object) -> None:
    with pytest.raises(UsageError, match="model 'policy'.*not callable and has no"):
        ModelCaller("policy", model)


def test_a_class_instead_of_an_instance_is_told_when_it_is_given() -> None:
    with pytest.raises(UsageError, match="give an instance of Policy"):
        ModelCaller("policy", Policy)


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("error", [ValueError("no such robot"), SystemExit(2)])
def test_a_reset_that_fails_fails_its_own_observation_and_no_answer_is_mixed_up(
    batches: bool, error: BaseException
) -> None:
    class Recurrent:
        stateful = True

        def reset(self, client_id: str) -> None:
            if client_id == "c1":
                raise error

    def answer(obs: Observation, context: InferenceContext) -> Observation:
        return {"of": obs["x"], "to": context.client_id}

    model: Any = Recurrent()
    if batches:
        model.infer_batch = lambda observed, contexts: list(map(answer, observed, contexts))
    else:
        model.infer = lambda obs, context: answer(obs, context)
    contexts = [context(f"c{at}")._replace(first_of_episode=True) for at in range(3)]
    first, second, third = ModelCaller("policy", model).call([{"x": at} for at in "012"], contexts)
    assert (first["of"], first["to"]) == ("0", "c0")
    assert isinstance(second, Exception)
    assert (third["of"], third["to"]) == ("2", "c2")


def test_a_model_may_tell_its_version() -> None:
    policy = Policy()
    assert ModelCaller("policy", policy).version == ""
    policy.version = 7  # type: ignore[attr-defined]
    assert ModelCaller("policy", policy).version == "7"


# --- the context argument ---


def with_context(obs: Observation, ctx: InferenceContext) -> Observation:
    return {"client": ctx.client_id, "epoch": ctx.epoch, "request": ctx.request_id}


def with_optional_context(obs: Observation, context: Any = None) -> Observation:
    return with_context(obs, context)


def test_the_context_has_what_the_robot_still_has_to_execute() -> None:
    seen: list[InferenceContext] = []

    def policy(obs: Observation, context: InferenceContext) -> Observation:
        seen.append(context)
        return {"actions": obs["state"]}

    left = np.ones((10, 2), np.float32)
    state = np.zeros(2, np.float32)
    chunking = {"prev_chunk_left_over": left, "left_over_steps": np.int32(6)}
    chunking["inference_delay"] = np.array(3, np.int32)
    caller = ModelCaller("policy", policy)
    caller.call([{"state": state} | chunking, {"state": state}], [context(), context()])
    assert seen[0].left_over is left
    assert (seen[0].left_over_steps, seen[0].inference_delay) == (6, 3)
    assert (seen[1].left_over, seen[1].left_over_steps, seen[1].inference_delay) == (None, 0, 0)


class ContextPolicy:
    def infer(self, obs: Observation, ctx: InferenceContext) -> Observation:
        return with_context(obs, ctx)


class ContextBatchPolicy:
    def infer_batch(
        self, batch: list[Observation], contexts: list[InferenceContext]
    ) -> list[Observation]:
        return [with_context(obs, each) for obs, each in zip(batch, contexts)]


@pytest.mark.parametrize(
    "model", [with_context, with_optional_context, ContextPolicy(), ContextBatchPolicy()]
)
def test_a_model_that_takes_a_second_argument_is_told_who_asks(model: Any) -> None:
    first, second = call(model, {}, {})
    assert (first["client"], second["client"]) == ("c0", "c1")
    assert (int(first["epoch"]), int(first["request"])) == (3, 5)


def test_an_option_of_the_models_own_is_left_alone() -> None:
    def model(obs: Observation, temperature: float = 0.5) -> Observation:
        return {"temperature": temperature}

    (result,) = call(model, {})
    assert float(result["temperature"]) == 0.5


# --- what goes wrong ---


class Picky:
    """Fails a whole batch because of one observation in it."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    def infer_batch(self, batch: list[Observation]) -> list[Observation]:
        if any(obs["x"][0] < 0 for obs in batch):
            raise self.failure
        return [double(obs) for obs in batch]


class PickyOne(Picky):
    infer_batch = None  # type: ignore[assignment]

    def infer(self, obs: Observation) -> Observation:
        return super().infer_batch([obs])[0]


class Unusual(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize("form", [Picky, PickyOne])
@pytest.mark.parametrize(
    "failure", [ValueError("negative"), SystemExit("negative"), Unusual("negative")]
)
def test_one_bad_observation_fails_alone(form: Any, failure: BaseException) -> None:
    results = call(form(failure), *({"x": np.array([x])} for x in (1, -1, 3)))
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert "negative" in str(results[1])
    assert [int(results[at]["actions"][0]) for at in (0, 2)] == [2, 6]


def test_infer_batch_may_fail_single_observations_by_returning_exceptions() -> None:
    class Model:
        def infer_batch(self, batch: list[Observation]) -> list[Any]:
            return [ValueError("bad"), {"actions": np.zeros(1)}]

    first, second = call(Model(), {}, {})
    assert (type(first), str(first)) == (ValueError, "bad")
    assert "actions" in second


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_results_is_given_to_nobody(count: int) -> None:
    class Model:
        def infer_batch(self, batch: list[Observation]) -> list[Any]:
            return [{"actions": np.zeros(1)}] * count

    results = call(Model(), {}, {})
    if count == 1:  # asked one by one it answers right
        assert all("actions" in result for result in results)
    else:
        assert all(f"returned {count} results for 1" in str(result) for result in results)
        assert all(isinstance(result, UsageError) for result in results)


@pytest.mark.parametrize("answer", [{"actions": np.zeros((2, 3))}, "text"])
@pytest.mark.parametrize("observations", [1, 2])
def test_one_answer_for_a_whole_batch_is_an_error_not_a_wrong_answer(
    answer: Any, observations: int
) -> None:
    class Model:
        def infer_batch(self, batch: list[Observation]) -> Any:
            return answer

    for result in call(Model(), *[{}] * observations):
        assert isinstance(result, UsageError)
        assert "return a list" in str(result)


def test_infer_batch_may_return_one_array_with_a_row_for_each() -> None:
    class Model:
        def infer_batch(self, batch: list[Observation]) -> np.ndarray:
            return np.arange(6, dtype=np.float32).reshape(2, 3)

    first, second = call(Model(), {}, {})
    assert (first["actions"].tolist(), second["actions"].tolist()) == ([0, 1, 2], [3, 4, 5])


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "returned None"), ({"actions": object()}, "'actions'"), ({"a": {"b": {1}}}, "'a.b'")],
)
def test_an_answer_that_cannot_be_sent_is_an_error_that_says_why(answer: Any, said: str) -> None:
    (result,) = call(lambda obs: answer, {})
    assert isinstance(result, Exception)
    assert said in str(result)


def test_a_model_may_change_its_observation_and_still_be_asked_again() -> None:
    class Model:
        def infer_batch(self, batch: list[Observation]) -> list[Observation]:
            values = [obs.pop("x") for obs in batch]
            if len(batch) > 1:
                raise MemoryError("one at a time, please")
            return [{"actions": value} for value in values]

    observations = [{"x": np.array([at])} for at in range(3)]
    results = call(Model(), *observations)
    assert [int(result["actions"][0]) for result in results] == [0, 1, 2]
    assert all("x" in obs for obs in observations)


def test_what_an_async_model_opened_in_one_call_serves_the_next() -> None:
    class Model:
        loops: list[asyncio.AbstractEventLoop] = []

        async def infer(self, obs: Observation) -> Observation:
            self.loops.append(asyncio.get_running_loop())
            return {"actions": np.zeros(1)}

    caller = ModelCaller("policy", Model())
    for _ in range(3):
        caller.call([{}], [context()])
    assert len(set(Model.loops)) == 1
    assert not Model.loops[0].is_closed()
    caller.end_thread()
    assert Model.loops[0].is_closed()


# --- compressed images ---


def png(pixels: np.ndarray) -> EncodedImage:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "png")
    return EncodedImage(file.getvalue(), "png")


def test_compressed_images_reach_the_model_as_pixels() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    (result,) = call(lambda obs: obs, {"camera": png(pixels), "text": "as it is"})
    np.testing.assert_array_equal(result["camera"], pixels)
    assert result["text"] == "as it is"


def test_a_broken_image_fails_its_own_observation_only() -> None:
    good = png(np.zeros((2, 4, 3), np.uint8))
    broken = EncodedImage(bytes(good.data)[:40], "png")
    results = call(BatchPolicy(), *({"x": np.ones(1), "camera": each} for each in (broken, good)))
    assert isinstance(results[0], Exception)
    assert "actions" in results[1]


# --- lanes ---


class Site:
    """A dispatcher at work, and what it completed."""

    def __init__(self, dispatcher: LocalDispatcher) -> None:
        self.dispatcher = dispatcher
        self.done: queue.Queue[Completion] = queue.Queue()
        dispatcher.start(self.done.put)

    def submit(self, *clients: str, model: str = "policy") -> Batch:
        requests = [
            InferenceRequest(client, model, inputs={"x": np.ones(1)}) for client in clients
        ]
        batch = Batch(model, requests)
        self.dispatcher.submit(batch)
        return batch

    def next(self) -> Completion:
        return self.done.get(timeout=SOON_S)


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(models: dict[str, Any], **options: Any) -> Site:
        sites.append(Site(LocalDispatcher(models, **options)))
        return sites[-1]

    yield make
    for each in sites:
        each.dispatcher.close()


def test_a_batch_comes_back_with_a_result_for_each_request(site: Callable[..., Site]) -> None:
    here = site({"policy": BatchPolicy()})
    batch = here.submit("a", "b")
    completion = here.next()
    assert completion.batch is batch
    assert [float(result["actions"][0]) for result in completion.results] == [2.0, 2.0]
    assert 0 <= completion.duration < SOON_S


def test_models_run_on_threads_of_their_own(site: Callable[..., Site]) -> None:
    here = site(
        {name: lambda obs: {"thread": threading.current_thread().name} for name in ("a", "b")}
    )
    here.submit("robot", model="a")
    here.submit("robot", model="b")
    threads = {here.next().results[0]["thread"] for _ in range(2)}
    assert len(threads) == 2
    assert threading.current_thread().name not in threads


def test_as_many_calls_run_at_once_as_there_are_lanes(site: Callable[..., Site]) -> None:
    together = threading.Barrier(3)

    def model(obs: Observation) -> Observation:
        together.wait(SOON_S)  # broken unless three calls meet here
        return {"actions": np.zeros(1)}

    here = site({"policy": model}, lanes=3)
    for client in "abc":
        here.submit(client)
    assert all("actions" in here.next().results[0] for _ in range(3))


def test_one_lane_makes_one_call_at_a_time(site: Callable[..., Site]) -> None:
    at_work: list[int] = []
    most: list[int] = []

    def model(obs: Observation) -> Observation:
        at_work.append(1)
        most.append(len(at_work))
        at_work.pop()
        return {"actions": np.zeros(1)}

    here = site({"policy": model})
    for _ in range(50):
        here.submit("robot")
    for _ in range(50):
        here.next()
    assert max(most) == 1


def test_a_hanging_model_holds_up_no_other_model(site: Callable[..., Site]) -> None:
    release = threading.Event()
    here = site({"hangs": lambda obs: release.wait(SOON_S), "works": double})
    here.submit("robot", model="hangs")
    here.submit("robot", model="works")
    assert here.next().batch.model_id == "works"
    release.set()
    assert here.next().batch.model_id == "hangs"


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(1), Unusual("no")])
def test_a_lane_survives_whatever_its_model_raises(
    site: Callable[..., Site], failure: BaseException
) -> None:
    class Once:
        def infer_batch(self, batch: list[Observation]) -> list[Observation]:
            nonlocal failure
            if isinstance(failure, BaseException):
                raise failure
            return [double(obs) for obs in batch]

    here = site({"policy": Once()})
    here.submit("a", "b")
    assert all(isinstance(result, Exception) for result in here.next().results)
    failure = None  # type: ignore[assignment]
    here.submit("a", "b")
    assert all("actions" in result for result in here.next().results)


def test_a_model_that_hung_when_the_server_stopped_works_again_after_a_restart() -> None:
    begun, release = threading.Event(), threading.Event()
    hang = [True]

    def model(obs: Observation) -> Observation:
        if hang:
            begun.set()
            release.wait(SOON_S)
        return {"actions": np.zeros(1)}

    dispatcher = LocalDispatcher({"policy": model})
    dispatcher.GRACE_S = 0.01
    first = Site(dispatcher)
    first.submit("robot")
    assert begun.wait(SOON_S)
    dispatcher.close()
    hang.clear()
    second = Site(dispatcher)
    for _ in range(3):
        second.submit("robot")
        assert "actions" in second.next().results[0]
    release.set()
    assert "actions" in first.next().results[0]  # to the one who asked
    assert second.done.empty()
    dispatcher.close()


def test_all_models_have_the_same_grace_when_the_dispatcher_closes() -> None:
    dispatcher = LocalDispatcher({f"model_{at}": double for at in range(4)}, lanes=2)
    before = threading.active_count()
    dispatcher.start(lambda completion: None)
    assert threading.active_count() == before + 8 + 1  # the watchdog
    dispatcher.close()
    assert threading.active_count() == before
    dispatcher.close()


def test_what_a_model_takes_is_told_to_the_server() -> None:
    dispatcher = LocalDispatcher(
        {"one": double, "many": BatchPolicy()}, lanes={"many": 3}, max_batch=16
    )
    one, many = dispatcher.models()["one"], dispatcher.models()["many"]
    assert (one.id, one.max_batch, one.lanes) == ("one", 1, 1)
    assert (many.id, many.max_batch, many.lanes) == ("many", 16, 3)


@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        (double, {}, "given by their ids, as {'policy': policy}, not function"),
        ("policy", {}, "given by their ids, as {'policy': policy}, not str"),
        ({"policy": double}, {"lanes": 0}, "lanes must be at least 1"),
        ({"policy": double}, {"lanes": {"polcy": 2}}, "'polcy'.*policy"),
        ({"policy": double}, {"max_batch": 0}, "max_batch must be at least 1"),
    ],
)
def test_what_cannot_work_is_told_at_once(models: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LocalDispatcher(models, **options)


# --- models by name ---

MODULE = """
import numpy as np

class Policy:
    def infer(self, obs):
        return np.zeros(1)

class Needy:
    def __init__(self, path):
        pass

class Shelf:
    policy = Policy()

def make():
    return Policy()

def fail():
    raise FileNotFoundError("weights.pt")

def infer(obs):
    return np.zeros(1)

ready = Policy()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "models_of_test.py").write_text(MODULE)
    (tmp_path / "broken_of_test.py").write_text("def f(:\n")
    (tmp_path / "raises_of_test.py").write_text("raise RuntimeError('no GPU')\n")
    (tmp_path / "lacks_of_test.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "models_of_test"
    for name in [name for name in sys.modules if name.endswith("_of_test")]:
        del sys.modules[name]


@pytest.mark.parametrize("attribute", ["Policy", "make", "infer", "ready", "Shelf.policy"])
@pytest.mark.parametrize("separator", [":=", "="])
def test_models_are_loaded_by_name(module: str, attribute: str, separator: str) -> None:
    models = load_models([f"policy{separator}{module}:{attribute}"])
    assert list(models) == ["policy"]
    (result,) = call(models["policy"], {})
    assert "actions" in result


def test_several_models_are_loaded_in_order(module: str) -> None:
    assert list(load_models([f"b:={module}:make", f"a:={module}:Policy"])) == ["b", "a"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("policy", "write name=module:attribute"),
        ("policy:=module", "write name=module:attribute"),
        ("=models_of_test:Policy", "write name=module:attribute"),
        ("p:=models_of_test:Polcy", "'models_of_test' has no 'Polcy'"),
        ("p:=models_of_test:", "has no ''"),
        ("p:=:Policy", "cannot import ''"),
        ("p:=no_such_module_anywhere:Policy", "cannot import 'no_such_module_anywhere'"),
        ("p:=lacks_of_test:Policy", "not_installed_anywhere"),
        ("p:=broken_of_test:f", "SyntaxError.*broken_of_test.py, line 1"),
        ("p:=raises_of_test:f", "RuntimeError: no GPU"),
        ("p:=models_of_test:Needy", "TypeError.*'path'"),
        ("p:=models_of_test:fail", "FileNotFoundError: weights.pt"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_with_its_spec(
    module: str, spec: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_models([spec])
    assert repr(spec) in str(caught.value)


def test_a_name_given_twice_is_an_error(module: str) -> None:
    with pytest.raises(ConfigError, match="'p' is given twice"):
        load_models([f"p:={module}:Policy", f"p:={module}:make"])
