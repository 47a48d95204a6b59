"""Images are decoded while their observation waits, into memory that other processes can read.

`memory` is where the pixels lie, `ahead` decides which images are decoded when, and does it.
"""
