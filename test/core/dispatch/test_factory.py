"""Where models run by what a command line and a configuration say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inferential_core import ConfigError, InferentialConfig, LocalDispatcher, UsageError
from inferential_core.dispatch.factory import choose, local_options

MODEL = "root:=math:sqrt"


def chosen(config: dict[str, Any], **arguments: Any) -> LocalDispatcher:
    dispatcher, told = choose(InferentialConfig(**config), models=[MODEL], **arguments)
    assert isinstance(dispatcher, LocalDispatcher) and "in this process" in told
    return dispatcher


def test_the_configuration_says_how_local_models_run() -> None:
    lanes = chosen({"local": {"lanes": {"root": 3}, "timeout_s": None}}).served("root").lanes
    assert (lanes.info.lanes, lanes.timeout_s) == (3, math.inf)


def test_what_is_given_wins_over_the_configuration() -> None:
    config = {"local": {"lanes": 3, "timeout_s": 5.0}}
    lanes = chosen(config, local=local_options(2, (), 0.0)).served("root").lanes
    assert (lanes.info.lanes, lanes.timeout_s) == (2, math.inf)
    lanes = chosen(config, local=local_options()).served("root").lanes
    assert (lanes.info.lanes, lanes.timeout_s) == (3, 5.0)


def test_what_only_one_place_knows_is_refused_by_the_other() -> None:
    with pytest.raises(ConfigError, match="'ray' takes no lanes"):
        choose(InferentialConfig(), models=[MODEL], dispatcher="ray", local={"lanes": 2})
    with pytest.raises(ConfigError, match="'local' takes no Ray address"):
        choose(InferentialConfig(), models=[MODEL], dispatcher="local", ray_address="a:1")
    with pytest.raises(ConfigError, match="'local' takes .* no replicas"):
        choose(InferentialConfig(), models=[MODEL], dispatcher="local", replicas=2)
    with pytest.raises(ConfigError, match="is none of"):
        chosen({"local": {"process": ["rot"]}})
    with pytest.raises(UsageError, match="lanes for 'rot'"):
        chosen({"local": {"lanes": {"rot": 2}}})
