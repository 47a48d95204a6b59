"""A supervised child process in which any `Dispatcher` runs, as if it were in this one.

For models that hold the interpreter's lock, and for drivers of which the server must survive the
end (Ray's, say). What one has to write is a Dispatcher, or a function that returns one:

    class Driver(Dispatcher):                    # in my_package/driver.py
        def __init__(self, address): ...         # options: plain data
        def start(self, on_done): ...            # raise what is wrong: it reaches the log
        def models(self): ...
        def submit(self, batch): ...
        def close(self): ...

        # and, where it has something to say beside results:
        def listen(self, emit): ...              # before start; emit(kind, fields), any thread
        def notified(self, kind, fields): ...    # by WorkerProcess.notify
        def cancel(self, batch): ...             # nobody waits for it any more

and in the server's process

    child = WorkerProcess("my_package.driver:Driver", {"address": ...}, name="driver")
    child.start(on_done, on_event)               # returns once its models are known
    child.submit(batch)                          # never blocks; on_done(Completion) exactly once

In the child it gets batches as anywhere: `batch.model_id`, and requests with `client_id`,
`request_id`, `epoch`, `first_of_episode`, `deadline`, `priority`, `received_at` and `inputs`
(arrays are read-only views of shared memory, compressed images still compressed). Many batches
may be in flight and end in any order, from any thread.

    process          WorkerProcess: what users hold                               (in the server)
    supervision      starts a child, notices its end, starts it again             (in the server)
    restarts         when it is started again                                     (in the server)
    process_run      one child from its start to its end                          (in the server)
    spawning         the process itself                                           (in the server)
    callback_thread  the thread on which results and events are handed out        (in the server)
    serving          the loop between the channel and the Dispatcher              (in the child)
    jobs             batches and completions as messages                          (both)
    channel          messages over a socket pair, large buffers in shared memory  (both)
    frames           messages as bytes                                            (both)
    values           observations and answers as plain data and buffers           (both)
    blocks           the shared memory                                            (both)

Linux (and, with everything through the socket, other POSIX systems).
"""

from .process import WorkerProcess
from .restarts import Restarts

__all__ = ["WorkerProcess", "Restarts"]
