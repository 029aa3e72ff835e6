"""The objects of images as files that other programs open.

    ObjectMap ─ outlines ─┬─ a file an image: svg, qupath, geojson, imagej, yolo
                          └─ a file of all images: coco, coco-rle
    ObjectMap ─ pixels ───── a file an image or volume: tiff, png

To add a format: a file with a function as `ObjectFormat` describes it, and a line in `OBJECT_FORMATS`; the tests run
over it. Outlines are made once for all formats, one object at a time.
"""

from __future__ import annotations

from unetkit.vector.coco import collect_coco, collect_coco_rle
from unetkit.vector.format import ImageObjects, ObjectFormat
from unetkit.vector.geojson import draw_geojson, draw_qupath, require_place
from unetkit.vector.imagej import draw_imagej, require_short_sides
from unetkit.vector.label_images import require_plain, write_png, write_tiff
from unetkit.vector.svg import draw_svg
from unetkit.vector.yolo import draw_yolo, write_data_yaml

__all__ = ["OBJECT_FORMATS", "ImageObjects", "ObjectFormat"]

OBJECT_FORMATS: dict[str, ObjectFormat] = {
    "tiff": ObjectFormat(
        "numbered pixels in 16 or 32 bits, images and volumes: ImageJ, napari, QGIS, CellProfiler",
        "{name}.objects.tif",
        write=write_tiff,
    ),
    "png": ObjectFormat(
        "numbered pixels in 16 bits, up to 65535 objects",
        "{name}.objects.png",
        write=write_png,
        require=require_plain,
    ),
    "coco": ObjectFormat(
        "COCO: polygons, and run-length codes for objects with holes: CVAT, FiftyOne, Detectron2",
        "coco.json",
        collect=collect_coco,
    ),
    "coco-rle": ObjectFormat(
        "COCO with run-length codes for all objects: pycocotools", "coco-rle.json", collect=collect_coco_rle
    ),
    "yolo": ObjectFormat(
        "YOLO segmentation labels, to train YOLO or to open in CVAT",
        "yolo/labels/{name}.txt",
        draw=draw_yolo,
        beside=("yolo/data.yaml", write_data_yaml),
    ),
    "qupath": ObjectFormat(
        "GeoJSON in pixels, with classes, colours and measurements: QuPath", "{name}.qupath.geojson", draw=draw_qupath
    ),
    "geojson": ObjectFormat(
        "GeoJSON in longitude and latitude, for georeferenced images: QGIS, ArcGIS, web maps",
        "{name}.geojson",
        draw=draw_geojson,
        require=require_place,
    ),
    "imagej": ObjectFormat(
        "regions for ImageJ's and Fiji's ROI Manager",
        "{name}.rois.zip",
        draw=draw_imagej,
        require=require_short_sides,
    ),
    "svg": ObjectFormat("outlines for browsers and drawing programs", "{name}.svg", draw=draw_svg),
}
