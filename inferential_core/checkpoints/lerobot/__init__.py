"""Policies of LeRobot (written for 0.6.1), with any number of robots in one call.

loading    from a folder to a model: which kind of policy it is, and what it takes and gives
observing  observations of the robots -> the batch that LeRobot's preprocessor takes
chunking   policies that answer each observation alone: one call for the whole batch
stepping   policies with a memory: an instance for each client, which share their weights
rtc        real-time chunking: what a robot still executes, in the terms of the model
"""
