"""The parts of the bridge node, in the order in which an observation passes them.

ros_interfaces  subscriptions -> bridge_core.store -> inputs         ROS thread
server_link     inputs -> observation -> server -> reply -> plan     network thread
pacing          bridge_core.tick -> action_output -> outputs         control thread

Only `ros_interfaces`, `outputs`, `pacing`, `console` and `instructions` touch rclpy; the others
see the robot through `robot_io`.
"""
