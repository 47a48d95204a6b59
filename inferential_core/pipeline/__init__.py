"""The way of one observation through the server, from its frames to the reply that ends it.

admission takes it in, the scheduler forms a batch with it, a dispatcher runs that, completion
takes the results, and outcome ends the observation with one reply.
"""
