"""Runs the show: watches every robot, pushes them, slows the model, tells what happened."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import rclpy
from inferential.msg import ServerStatus
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from inferential_core.process.launcher import end_with_launcher, ignore_stop_signals
from inferential_demo.mailbox import ignore, newest
from inferential_demo.phases import PUSH_EVERY_S, Phase, Push, phases, pushes
from inferential_demo.record import RunRecord
from inferential_demo.screen import make_screen
from inferential_demo.slowdown import knob_path, write_slowdown_ms
from inferential_demo.table import summary
from inferential_demo.watch import RobotWatch

START_TIMEOUT_S = 60.0
REFRESH_S = 0.25
TICK_S = 0.04
STOPPED_WITHIN_S = 3.0  # `ros2 launch` asks again after 5 s, and the process has to end yet


class OutOfTime(BaseException):
    """Whoever asked the director to stop has waited long enough."""


class Director(Node):
    """Takes the run from waiting for the robots to its summary."""

    def __init__(self) -> None:
        super().__init__("demo_director", start_parameter_services=False)
        parameter = self._parameter
        names = [f"robot_{n + 1}" for n in range(parameter("robots", 6, "Robots to watch"))]
        self._seconds = parameter("seconds", 30.0, "Length of the run, s")
        self._slowdown = parameter("slowdown", True, "Slow the model after the fast phase")
        self._seed = parameter("seed", 0, "Seed of the pushes")
        self.report = parameter("report", "demo/report.png", "Where the picture goes")
        plain = parameter("plain", False, "Lines instead of a live table")
        self._keep = parameter("keep", False, "Go on after the run")
        page = parameter("page", "", "Address of the fleet's page, to be shown")
        self._start_s = float("inf")
        self._watches = [RobotWatch(self, name, self._time_of) for name in names]
        self.run_record = RunRecord([watch.record for watch in self._watches])
        self._server = self.create_subscription(ServerStatus, "/server_status", ignore, 1)
        self._screen = make_screen(plain or not sys.stdout.isatty(), page)
        self._stop = False
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)
        end_with_launcher(self.get_logger().warning)

    def direct(self) -> int:
        """The whole show. 0: all robots stood while the model was fast, or it was stopped."""
        try:
            with self._screen:
                began = self._wait_for_robots()
                if began:
                    self._play()
        finally:
            self._turn_knob(0.0)
        if not began and not self._stop:
            return 1
        if self._stop:
            self.run_record.interrupted = True
        print(*summary(self.run_record), sep="\n", flush=True)
        if self.run_record.spans:
            self._write_report()
        if self._keep and not self._stop:
            self._go_on()
        return 0 if self._stop or self.run_record.stood else 1

    def _go_on(self) -> None:
        """Until somebody has seen enough: pushed robots, and those that fell put on their feet."""
        print("the robots go on: Ctrl-C ends", flush=True)
        round_s = PUSH_EVERY_S + 1.0  # of pushes: one for each robot
        while not self._stop:
            self._start_s = time.monotonic()
            for watch in self._watches:
                watch.record.forget()
                if watch.record.fallen:
                    watch.stand_up()
            self._push_until(pushes(len(self._watches), round_s, self._seed), round_s)

    def _wait_for_robots(self) -> bool:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._stop:
            missing = [w.record.name for w in self._watches if not w.ready]
            if not missing:
                return True
            if time.monotonic() > deadline_s:
                self._screen.say(f"no actions after {START_TIMEOUT_S:g} s: {', '.join(missing)}")
                return False
            up = len(self._watches) - len(missing)
            title = f"starting: {up} of {len(self._watches)} robots are up"
            self._screen.show(self.run_record, None, title)
            self._watch_until(time.monotonic() + REFRESH_S)
        return False

    def _play(self) -> None:
        script = phases(self._seconds, self._slowdown)
        due = pushes(len(self._watches), self._seconds, self._seed)
        self._start_s = time.monotonic()
        phase_start_s = 0.0
        for phase in script:
            if phase.name == "slow" and all(w.record.fallen for w in self._watches):
                continue  # nobody left to fall
            self._begin(phase)
            end_s = phase_start_s + phase.duration_s
            while not self._stop and (now_s := self._elapsed_s()) < end_s:
                self._screen.show(self.run_record, now_s, phase.title)
                self._push_until(due, min(end_s, now_s + REFRESH_S))
            phase_start_s, start_s = min(end_s, self._elapsed_s()), phase_start_s
            self.run_record.spans.append((phase, start_s, phase_start_s))
            if self._stop:
                return

    def _begin(self, phase: Phase) -> None:
        self._turn_knob(phase.added_ms)
        self._screen.say(f"== {phase.title}")
        if phase.name == "recovery":
            for watch in self._watches:
                watch.phase = None
                if watch.record.fallen:
                    watch.stand_up()
        for watch in self._watches:
            watch.phase = phase

    @staticmethod
    def _turn_knob(added_ms: float) -> None:
        path = knob_path()
        if path and added_ms > 0.0:
            write_slowdown_ms(path, added_ms)
        elif path:
            Path(path).unlink(missing_ok=True)

    def _push_until(self, due: list[Push], end_s: float) -> None:
        while due and due[0].at_s < end_s:
            push = due.pop(0)
            self._watch_until(self._start_s + push.at_s)
            if not self._watches[push.robot].record.fallen:
                self._watches[push.robot].push(push.impulse)
                self.run_record.pushes.append((self._elapsed_s(), push.robot))
        self._watch_until(self._start_s + end_s)

    def _watch_until(self, end_s: float) -> None:
        while not self._stop and (wait_s := end_s - time.monotonic()) > 0.0:
            time.sleep(min(wait_s, TICK_S))
            for watch in self._watches:
                before = len(watch.record.falls)
                watch.take_messages()
                for fall in watch.record.falls[before:]:
                    self._screen.say(f"   {watch.record.name} fell at {fall.at_s:.1f} s")
            status = newest(self._server)
            if status is not None and status.models:
                self.run_record.mean_batch = status.models[0].mean_batch

    def _write_report(self) -> None:
        try:
            from inferential_demo.report import write_report

            write_report(self.run_record, self.report)
        except ImportError as error:
            print(f"no picture: {error}", flush=True)
        except OutOfTime:
            print(f"no picture: it would take longer than {STOPPED_WITHIN_S:g} s", flush=True)
        else:
            print(f"picture: {os.path.relpath(self.report)}", flush=True)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def _time_of(self, wall_ns: int) -> float:
        return self._elapsed_s() - (time.time_ns() - wall_ns) * 1e-9

    def _on_signal(self, *_: object) -> None:
        if not self._stop:
            self._stop = True
            signal.setitimer(signal.ITIMER_REAL, STOPPED_WITHIN_S)

    def _on_alarm(self, *_: object) -> None:
        raise OutOfTime

    def _parameter(self, name: str, default, description: str):
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value


def main(args: list[str] | None = None) -> int:
    """The director's process. Takes its own signals: on Ctrl-C it still sums up."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    director = Director()
    try:
        return director.direct()
    except OutOfTime:
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        ignore_stop_signals()
        director.destroy_node()
        rclpy.try_shutdown()
