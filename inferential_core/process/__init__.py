"""What belongs to a process of ours as a whole: its signals and its interpreter."""
