"""Scores of objects: two maps of ids in, numbers out. Pixels that nobody labelled belong to no object.

What the scores say when a map holds no objects. NaN is "undefined": such images are counted apart and not averaged.

| truth | prediction | ap, f1, pq, aji, aji_plus | precision | recall, mean_true_score, seg | sq | v_rand, v_info |
| --- | --- | --- | --- | --- | --- | --- |
| no object | no object | NaN | NaN | NaN | NaN | NaN |
| no object | objects | 0 | 0 | NaN | NaN | NaN |
| objects | no object | 0 | NaN | 0 | NaN | as counted |
| objects | objects, none with a partner | 0 (aji as counted) | 0 | 0 (seg as counted) | NaN | as counted |
| one object | one object over all of it | as counted | as counted | as counted | as counted | v_info NaN |
"""

from __future__ import annotations

from unetkit.metrics.instances.jaccard import aji, aji_plus, seg
from unetkit.metrics.instances.kinds import (
    FOUND,
    INVENTED,
    KINDS,
    MERGED,
    MISSED,
    SPLIT,
    Kinds,
    holding,
    object_kinds,
    parting,
)
from unetkit.metrics.instances.matching import Matching, match
from unetkit.metrics.instances.overlaps import Overlaps, find_overlaps
from unetkit.metrics.instances.partition import (
    DENSE,
    PartitionScore,
    Sweep,
    Variation,
    best_thresholds,
    thinned,
    v_info,
    v_rand,
    variation_of_information,
)
from unetkit.metrics.instances.scores import OBJECT_COUNTS, OBJECT_METRICS, THRESHOLDS, ObjectScores, score_objects
from unetkit.metrics.instances.summary import summarise

__all__ = [
    "DENSE",
    "FOUND",
    "INVENTED",
    "KINDS",
    "MERGED",
    "MISSED",
    "OBJECT_COUNTS",
    "OBJECT_METRICS",
    "SPLIT",
    "THRESHOLDS",
    "Kinds",
    "Matching",
    "ObjectScores",
    "Overlaps",
    "PartitionScore",
    "Sweep",
    "Variation",
    "aji",
    "aji_plus",
    "best_thresholds",
    "find_overlaps",
    "holding",
    "match",
    "object_kinds",
    "parting",
    "score_objects",
    "seg",
    "summarise",
    "thinned",
    "v_info",
    "v_rand",
    "variation_of_information",
]
