"""Emulated controllers: real bytes on a pseudo-terminal, and a carriage that obeys mechanics."""
