"""The way of one observation through the server, from its frames to the reply that ends it.

admission parses, authorizes and checks it; the scheduler forms a batch with it, or it takes the
bypass; a dispatcher runs the batch; completion handles the results; outcome ends the observation
with one reply.
"""
