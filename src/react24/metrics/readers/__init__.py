"""Predictions and ground truth from the files people have, for the functions of the metrics.

``open_ground_truth`` reads a clips file of the workflow or the official data folder,
``open_predictions`` a samples file, one array, or a folder of a file per reaction. Forms and
folders: ``docs/metrics.md``.
"""

from react24.metrics.readers.predictions import Predictions, open_predictions
from react24.metrics.readers.truth import GroundTruth, open_ground_truth

__all__ = ["GroundTruth", "Predictions", "open_ground_truth", "open_predictions"]
