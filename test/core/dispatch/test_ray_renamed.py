"""An application whose ingress class is renamed in a redeployment: no call goes to the old one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from ray import serve

from inferential_core.dispatch.ray_serve.application import Application, CallLimits


class Handle:
    """As of Ray Serve: it knows the deployment that it calls."""

    def __init__(self, deployment_name: str) -> None:
        self.deployment_name = deployment_name

    def options(self, **_: Any) -> Handle:
        return Handle(self.deployment_name)


def details(*names: str) -> dict[str, Any]:
    each = {"deployment_config": {}, "replicas": [], "target_num_replicas": 1}
    return {"status": "RUNNING", "deployments": {name: dict(each) for name in names}}


@pytest.mark.parametrize("between", [details("Old"), details()], ids=["old", "none"])
def test_its_handle_is_that_of_the_deployment_that_is_there(
    monkeypatch: pytest.MonkeyPatch, between: dict[str, Any]
) -> None:
    ingress = "Old"
    monkeypatch.setattr(serve, "get_app_handle", lambda name: Handle(ingress))

    async def refresh() -> None: ...

    application = Application("m", CallLimits(), refresh, lambda: None)

    def called() -> str:
        handles = application._handles
        return "" if handles is None else handles[0].deployment_name

    asyncio.run(application.update(details("Old")))
    assert called() == "Old"
    ingress = "New"  # looked at when the new one is not told of yet
    asyncio.run(application.update(between))
    assert called() in ("", "Old") and (called() == "" or "Old" in between["deployments"])
    asyncio.run(application.update(details("New")))
    assert called() == "New"
