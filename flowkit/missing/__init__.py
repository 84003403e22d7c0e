"""Incomplete rows: completed in training, integrated out in scores, imputed."""
