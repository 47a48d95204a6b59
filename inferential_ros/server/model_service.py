"""The service by which tools on the ROS graph change the models of the server.

Loading takes as long as it takes, so the service has a node and an executor of its own: the server
node goes on reporting meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import rclpy
from inferential.srv import ChangeModel
from rclpy.executors import SingleThreadedExecutor

if TYPE_CHECKING:
    from inferential_core import Server

_PATIENCE_S = 2.0  # with a change that is under way when the node ends


class ModelService:
    """NODE/change_model, from its making until `close`. folders: from which models may come."""

    def __init__(self, node: Any, server: Server, folders: Sequence[str]) -> None:
        self._server = server
        self._folders = folders
        self._log = node.get_logger()
        self._node = rclpy.create_node(
            f"{node.get_name()}_models",
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        name = f"{node.get_fully_qualified_name()}/change_model"
        self._node.create_service(ChangeModel, name, self._on_change)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(
            target=self._executor.spin, name="inferential-model-service", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Offer the service no more."""
        self._executor.shutdown(timeout_sec=_PATIENCE_S)
        self._thread.join(_PATIENCE_S)
        self._node.destroy_node()

    def _on_change(self, request: Any, response: Any) -> Any:
        from inferential_core import InferentialError

        asked = f"{request.model!r} ({request.target})" if request.target else repr(request.model)
        try:
            done = self._change(request)
        except InferentialError as error:
            response.message = str(error)
            self._log.error(f"change_model {asked}: {error}")
        else:
            response.success = True
            response.message = f"model {request.model!r} is {done}"
        return response

    def _change(self, request: Any) -> str:
        """What was done; InferentialError says why nothing was."""
        from inferential_core.errors import UsageError
        from inferential_core.models.permitted import check_permitted

        if request.action == ChangeModel.Request.UNLOAD:
            self._server.unload_model(request.model)
            return "unloaded"
        if request.action not in (ChangeModel.Request.LOAD, ChangeModel.Request.REPLACE):
            raise UsageError(f"action {request.action} is none of LOAD, REPLACE and UNLOAD")
        check_permitted(request.target, self._folders)
        if request.action == ChangeModel.Request.LOAD:
            self._server.load_model(request.model, request.target)
            return "loaded"
        first = request.unload_first
        self._server.replace_model(request.model, request.target, unload_first=first)
        return "replaced"
