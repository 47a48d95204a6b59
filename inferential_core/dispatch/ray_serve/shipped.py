"""What is sent to the replicas by value, so that they need nothing of this package installed.

These modules import the standard library, numpy and each other; and, when asked to, Ray, Pillow
and simplejpeg. `pickle_by_value` has to be called before anything of them is sent.
"""

from __future__ import annotations

import hashlib
import inspect

from ... import errors
from ...models import answers, context, form, interface, loading, schemes
from ...process import users_code
from ...wire import arrays, images, jpeg, jpeg_halves, nesting, rvl
from . import hosted, replica, replica_memory, replica_values

_MODULES = (
    errors,
    arrays,
    jpeg_halves,
    jpeg,
    rvl,
    images,
    nesting,
    context,
    form,
    answers,
    interface,
    replica_memory,
    replica_values,
    replica,
)
_CODE = "".join(map(inspect.getsource, _MODULES))

# The method that replicas are given, named after its code: a replica that serves several versions
# of this package has them all.
METHOD = "inferential_" + hashlib.sha256(_CODE.encode()).hexdigest()[:12]


def pickle_by_value() -> None:
    """Have Ray send the code of these modules instead of their names."""
    from ray.cloudpickle import register_pickle_by_value

    for module in (*_MODULES, users_code, schemes, loading, hosted):
        register_pickle_by_value(module)
