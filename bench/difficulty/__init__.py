"""Trains and judges the estimate of a question's difficulty."""
