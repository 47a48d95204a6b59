"""Recordings (rosbag2, MCAP or sqlite3): replaying one to a server, and writing one of a bridge.

Reading and replaying need no ROS running, only its message packages; the PyPI package `rosbags`
reads and writes the files.
"""
