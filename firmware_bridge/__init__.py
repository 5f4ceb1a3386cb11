"""Bytes on a serial port to and from motion in micrometres."""
