"""Datasets: a folder of images and masks, what its masks mean, how it is split, what is in it."""

from unetkit.dataset.folder import Dataset, Sample, open_dataset
from unetkit.dataset.splits import Split, find_leaks, make_folds, make_split

__all__ = ["Dataset", "Sample", "Split", "find_leaks", "make_folds", "make_split", "open_dataset"]
