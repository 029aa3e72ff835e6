"""Small datasets with one fault each, by the name of the fault.

FAULTS maps the name of a fault to a function that builds, in an empty folder, a dataset of seven images of about 48x48
pixels with just that fault; RULE_OF names the rule of the mask doctor that must report it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.dataset import broken_files as files
from tests.dataset import broken_marks as marks
from tests.dataset import broken_masks as masks

FAULTS: dict[str, Callable[[Path], None]] = {}
"""Builders by the name of the fault."""

RULE_OF: dict[str, str] = {}
"""The rule that reports each fault."""

for _rule, _builders in {
    "no-images": (files.no_images_folder, files.images_folder_empty),
    "no-pairs": (files.no_masks_folder, files.other_mask_names),
    "unpaired-masks": (files.mask_without_image,),
    "unlabelled-images": (files.image_without_mask,),
    "size-mismatch": (masks.smaller_mask, masks.turned_mask),
    "ringing": (masks.jpeg_ringing, masks.ringing_in_png, masks.colour_ringing, masks.soft_edges),
    "jpeg-masks": (masks.clean_jpeg_mask,),
    "stray-values": (masks.stray_values, masks.stray_in_binary),
    "off-by-one": (masks.all_from_one, masks.some_from_one),
    "flipped-polarity": (masks.flipped_polarity,),
    "mixed-encodings": (masks.one_and_255, masks.colours_and_numbers),
    "ids-or-classes": (masks.few_numbered_objects,),
    "torn-objects": (masks.objects_in_pieces,),
    "holed-objects": (masks.objects_with_holes,),
    "rare-classes": (masks.rare_class,),
    "all-empty": (masks.all_masks_empty,),
    "empty-file": (files.zero_byte_image, files.zero_byte_mask),
    "text-pointer": (files.lfs_image, files.lfs_mask, files.web_page),
    "truncated": (files.truncated_image, files.truncated_mask, files.truncated_jpeg, files.truncated_tiff),
    "unreadable": (files.zeroed_file, files.pickled_array),
    "not-finite": (files.nan_pixels, files.infinite_pixels),
    "mask-not-whole": (masks.nan_in_mask,),
    "channel-mismatch": (files.rgb_among_five_bands,),
    "grey-and-colour": (files.grey_and_rgb,),
    "alpha": (files.alpha_channel,),
    "wrong-suffix": (files.wrong_suffix,),
    "exact-duplicates": (files.same_image_twice, files.same_image_in_train_and_test),
    "near-duplicates": (files.resaved_copy, files.mirrored_copy_in_test),
    "conflicting-masks": (masks.two_masks_for_one_image,),
    "duplicated-stems": (files.two_files_of_one_name, files.two_masks_of_one_name),
    "straddling-groups": (files.groups_torn,),
    "groups-file": (files.groups_unreadable,),
    "unknown-in-split": (files.unknown_in_split,),
    "twice-in-split": (files.twice_in_split,),
    "missing-in-split": (files.missing_in_split,),
    "splits-file": (files.split_is_no_json, files.split_is_a_list),
    "saturated": (files.saturated_image,),
    "constant": (files.constant_image,),
    "mixed-types": (files.eight_and_sixteen_bits,),
    "mixed-spacing": (files.mixed_spacing,),
    "tiny": (files.tiny_image,),
    "few-labels": (files.three_images,),
    "mixed-dimensions": (files.volume_among_images,),
    "classes-file": (masks.classes_not_yaml, masks.classes_unknown_field, masks.classes_one_name),
    "undeclared-values": (masks.undeclared_value, masks.undeclared_class_of_objects),
    "case-collisions": (files.names_in_two_cases,),
    "other-files": (files.text_among_images,),
    "partly-labelled": (marks.one_scribbled_image, marks.one_sparse_mask),
    "unlabelled-classes": (marks.class_without_label, marks.points_on_objects_alone),
    "no-whole-image": (marks.boxes_everywhere,),
    "refused": (marks.scribble_outside, marks.box_without_area, marks.unknown_class, marks.mask_and_marks),
}.items():
    for _build in _builders:
        _fault = _build.__name__.replace("_", "-")
        FAULTS[_fault], RULE_OF[_fault] = _build, _rule
