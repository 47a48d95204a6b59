"""What is there right now: topics with samples, a robot's description, a model's specification.

A contract is compared with it before a bridge goes into service.
"""
