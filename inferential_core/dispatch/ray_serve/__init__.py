"""Models on Ray Serve: one application per model, found without configuration. The parts:

dispatcher      RayServeDispatcher: what the server sees; imports no Ray            (server)
ray_discovery   which cluster there is to join, found without importing Ray         (server)
stall_detector  notices a driver that hangs                                         (server)
driver          RayDriver: joins the cluster, watches it, calls the replicas        (child process)
cluster         joining a cluster and asking Serve what runs there                  (child process)
deployments     putting models on the cluster, and taking them off                  (child process)
application     one application: its handle, its replicas                           (child process)
one_replica     calling one certain replica                                         (child process)
payload         observations and results as plain data and numpy                    (child process)
shipped         what is sent to the replicas by value                               (child process)
replica         the method given to the user's object                               (replica)
replica_values  observations and results as the replica meets them                  (replica)
replica_memory  reading the shared memory of another process                        (replica)
hosted          a model named as module:attribute, as a deployment                  (replica)
"""

from .dispatcher import RayServeDispatcher

__all__ = ["RayServeDispatcher"]
