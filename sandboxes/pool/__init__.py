"""Warm sandboxes, held by one daemon and leased over a Unix socket.

The lease lives as long as its connection: a worker that dies gives its sandbox back by dying.
"""
