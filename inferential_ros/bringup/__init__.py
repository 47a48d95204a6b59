"""What a server, a robot and the demo consist of, and two ways to start it: launch, or by itself.

Nothing here imports rclpy, and only `launching` imports launch.
"""
