"""The parts of the bridge node, in the order in which an observation passes them.

sample_reader   subscriptions -> bridge_core.store -> inputs         samples' thread
server_link     inputs -> observation -> server -> reply -> plan     network thread
pacing          bridge_core.tick -> action_output -> outputs         control thread

The services, the timers and the parameters are served by rclpy's executor on the node's thread
(ros_interfaces). Only `ros_interfaces`, `sample_reader`, `outputs`, `pacing`, `console` and
`instructions` touch rclpy; the others see the robot through `robot_io`.
"""
