"""Models on Ray Serve: one application per model, found without configuration. The parts:

dispatcher   RayServeDispatcher: what the server sees; imports no Ray         (server)
patience     and notices a driver that hangs                                  (server)
driver       RayDriver: joins the cluster, watches it, calls the replicas     (child process)
cluster      joining and asking Serve                                         (child process)
application  one application: its handle, its replicas                        (child process)
payload      observations and results as plain data and numpy                 (child process)
replica      the method given to the user's object                            (replica)
"""

from .dispatcher import RayServeDispatcher

__all__ = ["RayServeDispatcher"]
