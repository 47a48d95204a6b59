"""The server node: the inference server with a lifecycle, parameters and a status topic.

Lifecycle:  configure   load the configuration and the models
            activate    bind and serve, on a thread of the server's own
            drain       (service) take leave of the robots and end, where it is active
            deactivate  take leave of the robots and stop serving; they reconnect later
            cleanup     let go of the models
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from inferential.msg import ServerStatus
from std_srvs.srv import Trigger

from inferential_core.process.ending import end_within
from inferential_ros.distributions import steady_clock
from inferential_ros.lifecycle import Ended, Failed, ManagedNode, WrongSetup, run
from inferential_ros.parameters import (
    declare,
    declare_texts,
    declare_word,
    texts,
    warn_of_misspelt,
    word,
)
from inferential_ros.qos import STATUS
from inferential_ros.server.log_forwarding import FORMATS, log_to
from inferential_ros.server.model_service import ModelService
from inferential_ros.server.status_message import server_message

if TYPE_CHECKING:
    from inferential_core import Server

DEFAULT_BIND = "tcp://127.0.0.1:5555"


class ServerNode(ManagedNode):
    """Parameters and transitions around `inferential_core.Server`."""

    def __init__(self, name: str = "inference_server", **options: Any) -> None:
        super().__init__(name, **options)
        declare(
            self,
            "bind",
            "",
            "ZeroMQ address to listen on; beyond loopback keys or allow_insecure are needed."
            f" Empty: as config_file has it, and {DEFAULT_BIND} without one",
        )
        declare(
            self,
            "keys",
            "",
            "Folder of the server's keys and of authorized.yaml (inferential keys): clients need"
            " keys. Empty: as config_file has it, else none",
        )
        declare(
            self,
            "allow_insecure",
            False,
            "Without keys, serve whoever reaches the port from other machines as well",
        )
        declare_texts(self, "models", "Models to serve, each as id:=module:attribute")
        declare(
            self,
            "dispatcher",
            "",
            "Where models run: ray (on Ray Serve) or local (in this process). Empty: as"
            " config_file has it, else ray where this node can import Ray",
        )
        declare(
            self,
            "ray_address",
            "",
            "Ray cluster to join, host:port, or local: start one that ends with this node. Empty:"
            " the one that runs on this machine, else local",
        )
        declare(self, "serve_config_file", "", "Ray Serve config file with applications to deploy")
        declare(self, "replicas", 0, "Replicas of each model on Ray Serve; 0: one")
        declare(
            self,
            "lanes",
            0,
            "Calls a local model works on at once; 0: as config_file has it, and one without one",
        )
        declare_texts(self, "process", "Ids of local models that run in processes of their own")
        declare(
            self,
            "timeout",
            -1.0,
            "Seconds after which a call of a local model is given up; 0: never, negative: 30 s, or"
            " as config_file has it",
        )
        declare_word(
            self,
            "http",
            "Where the fleet's page is, host:port; off: nowhere. Empty: as config_file has it, and"
            " 127.0.0.1:5580, or the next free port, without one",
        )
        declare_texts(
            self, "doors", "Ways in for clients of other servers, each as openpi=127.0.0.1:8000"
        )
        declare(
            self,
            "config_file",
            "",
            "YAML or JSON file with the server's InferentialConfig; it is read again when it"
            " changes and on SIGHUP",
        )
        declare(self, "strategy", "", "Scheduling strategy; empty: as config_file has it")
        declare(
            self,
            "log_format",
            "ros",
            "Where the server's log goes: ros, this node's logger, or to stderr as text or json",
        )
        declare(self, "autostart", True, "Configure and activate at start, without a manager")
        declare(
            self,
            "status_period",
            1.0,
            "Time from one server_status to the next, in seconds",
            between=(0.05, 60.0),
        )
        warn_of_misspelt(self)
        self._server: Server | None = None
        self._logs: Any = None
        self._serving = False
        self._publisher = None
        self._timer = None
        self._drain: Any = None
        self._models: ModelService | None = None

    def configure(self) -> None:
        """Load what is served; a wrong setting or model is named."""
        self._logs = self._log()
        self._server = self._make_server()
        self._drain = self.create_service(Trigger, "~/drain", self._on_drain)
        self._publisher = self.create_publisher(ServerStatus, "server_status", STATUS)
        self._timer = self.create_timer(
            self.get_parameter("status_period").value,
            self._report,
            clock=steady_clock(),  # a paused simulation is no silence
        )

    def activate(self) -> None:
        """Bind and serve."""
        from inferential_core import InferentialError

        assert self._server is not None
        try:
            with self.interruptible():
                self._server.start()
        except InferentialError as error:
            raise WrongSetup(str(error)) from None
        self._serving = True
        if folders := self._server.config.control.folders:
            self._models = ModelService(self, self._server, folders)
        self.get_logger().info(f"serving on {self._server.address}")
        for door in self._server.doors():
            self.get_logger().info(f"door for clients of {door['kind']}: {door['address']}")
        if self._server.page:
            self.get_logger().info(f"the fleet's page: {self._server.page}")
        self._publish_status()

    def deactivate(self) -> None:
        """Stop serving."""
        if self._serving and self._server is not None:
            self._serving = False
            if self._models is not None:
                self._models.close()
                self._models = None
            self._server.drain()
            self._server.stop()

    def release(self) -> None:
        """Stop serving and let go of the models."""
        self.deactivate()
        self._server = None
        if self._timer is not None:
            self.destroy_timer(self._timer)
        if self._publisher is not None:
            self.destroy_publisher(self._publisher)
        if self._drain is not None:
            self.destroy_service(self._drain)
        self._timer = self._publisher = self._drain = None
        if self._logs is not None:
            self._logs.close()
            self._logs = None

    def _log(self) -> Any:
        form = self.get_parameter("log_format").value
        if form not in FORMATS:
            raise WrongSetup(f"parameter log_format: {form!r} is none of {', '.join(FORMATS)}")
        return log_to(self.get_logger(), form)

    def _make_server(self) -> Server:
        # Imported here: only a machine that serves needs the server's dependencies.
        from inferential_core import InferentialError
        from inferential_core.dispatch.factory import local_options
        from inferential_core.errors import traceback_of
        from inferential_core.process.hangup import on_hangup
        from inferential_core.server.assembly import assemble

        names = ("bind", "strategy", "keys", "allow_insecure")
        given = {name: self.get_parameter(name).value for name in names}
        given["http"] = word(self, "http")
        given["doors"] = texts(self, "doors")
        timeout_s = self.get_parameter("timeout").value
        local = local_options(
            self.get_parameter("lanes").value or None,
            texts(self, "process"),
            None if timeout_s < 0 else timeout_s,
        )
        if (here := os.getcwd()) not in sys.path:
            sys.path.insert(0, here)  # models beside whoever starts the node, as for the command
        try:
            with self.interruptible():
                made = assemble(
                    self.get_parameter("config_file").value,
                    given,
                    dispatcher=self.get_parameter("dispatcher").value,
                    models=texts(self, "models"),
                    ray_address=self.get_parameter("ray_address").value,
                    serve_config=self.get_parameter("serve_config_file").value,
                    replicas=self.get_parameter("replicas").value,
                    local=local,
                )
            self.get_logger().info(made.where)
            if made.empty:
                self.get_logger().warning(
                    "parameter models is empty: every observation is rejected until the node is"
                    " configured with models:=id:=module:attribute"
                )
            on_hangup(self._on_hangup)
        except InferentialError as error:
            self.get_logger().debug(traceback_of(error))
            raise WrongSetup(str(error)) from None
        return made.server

    def _on_hangup(self) -> None:
        if self._server is not None:
            self._server.reload()

    def _on_drain(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Take leave of the robots and end; the node ends after it has answered."""
        if not self._serving or self._server is None:
            response.message = "this node does not serve: it is not active"
            return response
        response.success = self._server.drain()
        if not response.success:
            response.message = "some robots had not gone or were not answered in time, see the log"
        self._server.stop()
        return response

    def _report(self) -> None:
        server = self._server
        if self._serving and server is not None and not server.running:
            if server.failure is None:
                self.get_logger().info("the server was drained, so this node ends")
                raise Ended
            # Started anew it may serve again; silently alive it never does.
            self.get_logger().fatal(f"the server's loop ended: {server.failure!r}")
            raise Failed
        self._publish_status()

    def _publish_status(self) -> None:
        if self._serving and self._server is not None and self._publisher is not None:
            now_ns = self.get_clock().now().nanoseconds
            self._publisher.publish(server_message(self._server.status(), now_ns))


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal; 1 if it could not be configured and activated."""
    code = run(ServerNode, args)
    if args is None:  # the process is the node's own
        end_within(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
