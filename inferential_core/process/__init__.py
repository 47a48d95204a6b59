"""What concerns a whole process of this package: its signals and its interpreter."""
