"""The microscope in an engineer's hands: its live picture, stage, camera and lamp, and the routines."""

from __future__ import annotations

from flask import Blueprint

from web.rooms import Rooms


def add(pages: Blueprint, rooms: Rooms) -> None:
    """Add the pages."""
