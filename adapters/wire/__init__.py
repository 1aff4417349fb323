"""Bytes to events and back, for devices' protocols. No socket, no third-party package."""
