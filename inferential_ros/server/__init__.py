"""The parts of the server node: its log and its status as ROS 2 knows them."""
