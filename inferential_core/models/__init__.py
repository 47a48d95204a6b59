"""What a user's model is, and how it is called: on a thread, in a process or on Ray. The parts:

form           what form the user's object has
context        who asks, as a model is told; rtc: the keys of the chunk in execution
interface      what is called of a model, in which order, and what comes of it, wherever it runs
answers        what a model may answer, brought into one form
caller         calling a model on a thread, of the server's or of a process of the model's own
loading        models named as module:attribute
specification  what a model declares; validation: whether an observation fits that
stacking       for models that want one array for the whole batch
"""
