"""Recordings (rosbag2, MCAP or sqlite3): replaying one to a server, and writing one of a bridge.

Reading and replaying need no ROS, neither running nor installed (contract/stand_ins.py); the PyPI
package `rosbags` reads and writes the files.
"""
