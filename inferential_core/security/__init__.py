"""Keys, and the rights that each key has.

    keyfiles     key files, for both sides; secret ones that others can read are refused
    variables    what whoever reads a message calls the settings of keys
    client       what a client needs: its key pair and the server's public key
    rights       what an identity may do, and authorized.yaml
    keyring      the server's key pair and everybody's rights, read again when they change
    gate         which connections come to be: CURVE and ZAP
    guard        which observations are served
    refusals     who was refused and why, for the operator
    exposure     whether an address can be reached from other machines
    server_side  all of it for one running server

The cryptography is ZeroMQ's (CURVE, by libsodium) and none of it happens here. `keyfiles` and
`client` need pyzmq only; the rest is the server's.
"""
