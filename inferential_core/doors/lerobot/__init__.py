"""The door for robots of LeRobot's async inference, over gRPC.

door      the server, on its own thread
service   the calls that robots make
robots    which robot is on which connection
session   one robot: its observations, its runway and its answers
messages  what a robot says; `pickled` and `arrays` read it, and run nothing of it
actions   what a robot hears
"""

from .door import LerobotDoor

__all__ = ["LerobotDoor"]
