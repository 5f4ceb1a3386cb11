"""Calibrating a microscope: routines that say what to do, and what carries them out."""
