"""What the operator of a machine may have a server of this machine do: change its models, end.

A server listens on a Unix socket that only its own user (and root) reaches; robots know nothing of
it. `place` says where the sockets are, `listener` is the server's end, `caller` the command's.
A request and each answer is a line of JSON: {"do": "load", "model": ..., "target": ...}, then
{"doing": ...} about once a second, and at last {"done": ...} or {"error": ...}.
"""
