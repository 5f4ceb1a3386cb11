"""The simulated microscope: a slide whose every cell is known, seen through simulated optics."""
