"""Devices: one file a kind, each a `service.ports.Driver` that speaks one device's language and decides nothing.

A driver may not block, retry, or touch the store, and never awaits its inbox inside submit. Adding a kind is one file here and
one line in tests/conformance/drivers.py, whose suite holds every driver to the promises of the port.
"""
