"""What both nodes share: logged transitions, autostart, and a clean end on a signal."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from inferential_core.errors import describe, text_of, traceback_of
from inferential_core.process.interpreter import keep_time
from inferential_core.process.launcher import end_with_launcher
from inferential_core.process.supervisor import Supervisor
from inferential_core.security.variables import OF_A_NODE, speaking
from inferential_ros.distributions import refuse_what_does_not_fit, steady_clock
from inferential_ros.stop_signals import StopSignals

_QUOTING = "quote a text that has a colon: -p \"models:=['policy:=my_pkg:Policy']\""
Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


class WrongSetup(Exception):
    """The user can mend it: the text is logged without a traceback."""


class Ended(Exception):
    """Raised in a callback, by a node that is done: its process ends with exit code 0."""


class Failed(Exception):
    """Raised in a callback, by a node that told why: its process ends with exit code 1."""


def transition(failed: TransitionCallbackReturn) -> Callable[[Transition], Transition]:
    """A transition that logs what it raises, which rclpy itself does not, and ends as `failed`."""

    def decorate(method: Transition) -> Transition:
        @functools.wraps(method)
        def logged(self: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
            try:
                return method(self, state)
            except WrongSetup as error:
                self.get_logger().error(f"{method.__name__}: {error}")
            except KeyboardInterrupt:  # out of `interruptible`
                self.get_logger().info(f"{method.__name__}: the node was told to end meanwhile")
            except BaseException as error:  # a converter of the user's may call sys.exit
                self.get_logger().error(f"{method.__name__} failed:\n{traceback_of(error)}")
            return failed

        return logged

    return decorate


# What cannot begin stays as it was; what cannot end is taken down by `on_error`.
beginning = transition(TransitionCallbackReturn.FAILURE)
ending = transition(TransitionCallbackReturn.ERROR)


class ManagedNode(LifecycleNode):
    """A lifecycle node by four steps, which raise where they cannot be done.

    configure   make everything; called once until `release`
    activate    begin; the lifecycle publishers work already
    deactivate  end what `activate` began; they still work
    release     give everything back that `configure` made, after ending what is active; called
                from any state, also after a `configure` that failed half-way

    What waits in a step looks at `asked_to_stop` now and then; a user's code, which cannot, runs
    within `interruptible`.
    """

    # Both are set by `run`.
    asked_to_stop: Callable[[], bool] = staticmethod(lambda: False)
    interruptible: Callable[[], AbstractContextManager[None]] = staticmethod(nullcontext)

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        refuse_what_does_not_fit(self)

    def configure(self) -> None:
        """Make what the node needs; where it raises, `release` follows."""
        raise NotImplementedError

    def activate(self) -> None:
        """Begin to work; where it raises, the node stays inactive."""
        raise NotImplementedError

    def deactivate(self) -> None:
        """Stop to work, and keep what `configure` made."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back what `configure` made, also a part of it; a second call does nothing."""
        raise NotImplementedError

    @beginning
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The transition that calls `configure`."""
        try:
            self.configure()
        except BaseException:
            self.release()
            raise
        return super().on_configure(state)

    @beginning
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The transition that calls `activate`."""
        result = super().on_activate(state)
        try:
            self.activate()
        except BaseException:
            super().on_deactivate(state)
            raise
        return result

    @ending
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The transition that calls `deactivate`."""
        self.deactivate()
        return super().on_deactivate(state)

    @ending
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The transition to unconfigured, which calls `release`."""
        self.release()
        return super().on_cleanup(state)

    @ending
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The transition to the end, which calls `release`."""
        self.release()
        return super().on_shutdown(state)

    @ending
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, with nothing left over."""
        self.release()
        return TransitionCallbackReturn.SUCCESS


def run(make_node: Callable[[], ManagedNode], args: list[str] | None = None) -> int:
    """Spin a node until a signal or a shutdown; 1 if it could not start, or `Failed` later.

    SIGINT and SIGTERM end the spinning; the node then goes through its shutdown transition while
    its publishers still work.
    """
    with speaking(OF_A_NODE):
        return _run(make_node, args)


def _run(make_node: Callable[[], ManagedNode], args: list[str] | None) -> int:
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # such as a log level or a parameter file that is none
        fix = "; " + _QUOTING if "override rule" in str(error) else ""
        print(f"wrong ROS arguments: {error}{fix}", file=sys.stderr)
        return 1
    stop = StopSignals()
    try:
        node = make_node()
    except ParameterException as error:  # a parameter of another type, or out of its range
        print(f"wrong parameter: {error}", file=sys.stderr)
        stop.close()
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    supervisor = Supervisor()
    try:
        stop.wake(node)
        node.asked_to_stop = lambda: stop.asked
        node.interruptible = stop.interrupting
        end_with_launcher(node.get_logger().warning)
        executor.add_node(node)
        if not node.get_parameter("autostart").value:
            keep_time()
        elif not _start(node, stop):
            return 1
        _supervise(node, supervisor)
        while not stop.asked and rclpy.ok():
            _spin_once(executor, node)
        return 0
    except Ended:
        return 0
    except Failed:
        return 1
    finally:
        supervisor.stopping()
        _shut_down(node)
        stop.close()
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()


def _spin_once(executor: SingleThreadedExecutor, node: ManagedNode) -> None:
    """Have a callback called. One that fails must not end the node, which has others."""
    try:
        executor.spin_once()
    except (Ended, Failed):
        raise
    except BaseException as error:  # a converter of the user's may call sys.exit
        node.get_logger().error(f"a callback failed: {describe(error)}", throttle_duration_sec=1.0)


def _supervise(node: ManagedNode, supervisor: Supervisor) -> None:
    """Tell systemd that the node is ready, and go on telling that its executor turns."""
    supervisor.ready(f"{node.get_fully_qualified_name()} runs")
    if supervisor.period_s:
        node.create_timer(supervisor.period_s, supervisor.feed, clock=steady_clock())


def _start(node: ManagedNode, stop: StopSignals) -> bool:
    """Configure and activate; False if it failed, rather than was told to stop."""
    if stop.asked:
        return True
    if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
        return stop.asked
    keep_time()  # not once it is active: for a moment all threads stand still
    if stop.asked:
        return True
    return node.trigger_activate() == TransitionCallbackReturn.SUCCESS or stop.asked


def _shut_down(node: LifecycleNode) -> None:
    try:
        node.trigger_shutdown()
    except Exception as error:  # finalized already
        print(f"{node.get_name()}: {text_of(error)}", file=sys.stderr)
