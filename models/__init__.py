"""What cell types there are, and the networks that tell them apart."""

from models.cells import Cell, Detection, Opinion
from models.errors import AnalysisError, ModelRefused

__all__ = ["AnalysisError", "Cell", "Detection", "ModelRefused", "Opinion"]
