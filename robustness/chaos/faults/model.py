"""A model that hangs, raises, or answers nonsense."""

from __future__ import annotations

from ..stage import Stage
from .fault import Fault


class Misbehaving(Fault):
    family = "model"
    misbehaviour = ""

    def begin(self, stage: Stage) -> None:
        victim = self.chance.choice(stage.robot_names)
        stage.server.ask({"behave": self.misbehaviour, "victim": victim})

    def end(self, stage: Stage) -> None:
        stage.server.ask({"behave": ""})


class Hangs(Misbehaving):
    name = "model hangs"
    what = "its calls do not return; they are given up after 1 s"
    misbehaviour = "hang"
    lasts_s = (4.0, 7.0)


class Raises(Misbehaving):
    name = "model raises"
    what = "every call"
    misbehaviour = "raise"
    lasts_s = (4.0, 7.0)


class NotANumber(Misbehaving):
    name = "model returns NaN"
    what = "one in every plan; robots refuse them"
    misbehaviour = "nan"


class Shapes(Misbehaving):
    name = "model returns shapes"
    what = "too wide, empty, flat, bool, scalar; robots refuse them"
    misbehaviour = "shapes"


class Huge(Misbehaving):
    name = "model returns 100 MB"
    what = "to one robot, with every answer"
    misbehaviour = "huge"


FAULTS = (Hangs, Raises, NotANumber, Shapes, Huge)
