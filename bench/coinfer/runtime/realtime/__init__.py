"""The real-time driver: a process a device, ZeroMQ between them, due times kept by the clock."""

from coinfer.runtime.realtime.driver import RealtimeDriver

__all__ = ["RealtimeDriver"]
