"""Reads functions of both packages for what they touch of users'; `check_users_code` uses it."""
