"""What Ray Serve says of a model that cannot be made becomes one line with the place."""

from __future__ import annotations

from inferential_core.dispatch.ray_serve.serve_message import in_one_line

SENTENCE = "A replica failed to start with exception. Retrying 1 more time(s)."
# As Ray 2.60 puts it, less most of its own frames.
TRACE = """
\x1b[36mray::ServeReplica:p:p.initialize_and_get_metadata()\x1b[39m (pid=10292, ip=192.0.2.2)
  File "/site-packages/ray/serve/_private/replica.py", line 1928, in initialize
    raise RuntimeError(traceback.format_exc()) from None
RuntimeError: Traceback (most recent call last):
  File "/home/lab/policies.py", line 3, in __init__
    weights()
  File "/home/lab/policies.py", line 6, in weights
    raise FileNotFoundError("weights.pt is not there")
FileNotFoundError: weights.pt is not there
"""
RAISED_ANEW = """
The above exception was the direct cause of the following exception:

  File "/site-packages/inferential_core/models/loading.py", line 65, in made
    raise ConfigError(f"{said}{describe(error)}") from error
inferential_core.errors.ConfigError: model 'policies:Policy': FileNotFoundError: weights.pt is \
not there (policies.py:6)
"""


def test_a_deployment_of_the_users_own_is_told_with_its_last_frame() -> None:
    told = f"{SENTENCE} FileNotFoundError: weights.pt is not there (policies.py:6)"
    assert in_one_line(f"{SENTENCE} Error:{TRACE}") == told


def test_a_model_that_we_deployed_is_told_with_what_its_making_said() -> None:
    error = "FileNotFoundError: weights.pt is not there (policies.py:6)"
    told = f"{SENTENCE} model 'policies:Policy': {error}"
    assert in_one_line(f"{SENTENCE} Error:{TRACE}{RAISED_ANEW}") == told


def test_a_message_without_a_traceback_stays_and_is_one_line() -> None:
    assert in_one_line("Deployment 'p' has 1 replicas\n  waiting.") == (
        "Deployment 'p' has 1 replicas waiting."
    )
    assert in_one_line("") == ""
    assert len(in_one_line("x" * 10_000)) == 400
