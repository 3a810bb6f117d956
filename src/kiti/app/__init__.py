"""Composition root: builds everything and imports every slice; holds no rule of the business."""
