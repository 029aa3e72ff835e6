"""Results as tables in the terminal, and as plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from unetkit.compare import Comparison
    from unetkit.dataset.check import CheckReport
    from unetkit.pipeline import Prepared, RuntimeScore
    from unetkit.pipeline.pruning import PrunedScore
    from unetkit.suspicion import Verdict

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def console() -> Console:
    """Standard output; wide lines are not broken where it is no terminal."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=200, no_color=True, highlight=False)


def show_check(report: CheckReport, data: Path) -> None:
    """The facts of a dataset, its findings, and whether training on it would be right."""
    out = console()
    _facts(out, report.facts)
    for finding in report.findings:
        files = ", ".join(finding.files[:4]) + (f" and {len(finding.files) - 4} more" if len(finding.files) > 4 else "")
        style = STYLES[finding.severity]
        out.print(f"\n[{style}]{finding.severity}[/] {escape(finding.rule)}: {escape(files)}", soft_wrap=True)
        out.print(f"  {escape(finding.what)}. {escape(finding.why)}", soft_wrap=True)
        out.print(f"  → {escape(finding.mend)}", soft_wrap=True)
    counts = {kind: sum(f.severity == kind for f in report.findings) for kind in STYLES}
    verdict = "ready to train on" if report.ok else "training on this would be wrong"
    listed = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in counts.items() if count)
    out.print(f"\n{escape(str(data))}: {verdict}" + (f" ({listed})" if listed else ""), soft_wrap=True)


def show_plan(prepared: Prepared) -> None:
    """What a plan decides and why; values that are plain defaults are left to plan.yaml."""
    out = console()
    _facts(out, prepared.report.facts)
    split = prepared.split
    out.print(
        f"\nsplit: {len(split.train)} train, {len(split.val)} val, {len(split.test)} test; {'; '.join(split.reasons)}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("plan", "value", "because"):
        table.add_column(column, overflow="fold")
    for key, value, reason in prepared.plan.rows():
        if reason:
            table.add_row(escape(key), escape(value), escape(reason))
    out.print(table)


def show_scores(summary: Mapping[str, Any]) -> None:
    """The means over images with their intervals, a row a class."""
    out = console()
    metrics = list(summary["mean"])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("class", *metrics):
        table.add_column(column)
    rows = {**summary["classes"], "mean": summary["mean"]} if len(summary["classes"]) > 1 else summary["classes"]
    for name, values in rows.items():
        table.add_row(escape(name), *(_interval(values[metric]) for metric in metrics))
    out.print(table)
    mean_iou = summary["mean_iou"]
    share = summary.get("labelled_share", 1.0)
    labelled = f"scored on the labelled {share:.1%} of their pixels alone; " if share < 0.995 else ""
    pooled = f"mean IoU over all classes and pixels {mean_iou:.3f}; " if mean_iou is not None else ""
    out.print(
        f"{summary['images']} images; {labelled}{pooled}intervals: {summary['interval']}; hd95 in {summary['unit']}",
        soft_wrap=True,
    )
    if "objects" in summary:
        _show_objects(out, summary["objects"])


def _show_objects(out: Console, objects: Mapping[str, Any]) -> None:
    """The means of the object scores, a row a score, beside all objects pooled; then what became of the objects."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("objects", "mean over images", "all objects together"):
        table.add_column(column)
    for name, interval in objects["mean"].items():
        value = objects["pooled"].get(name)
        table.add_row(name, _interval(interval), "" if value is None else f"{value:.3f}")
    out.print(table)
    counts = objects["counts"]
    became = ", ".join(f"{counts[name]} {name}" for name in ("found", "merged", "split", "missed"))
    out.print(
        f"of {counts['true_objects']} true objects {became}; of {counts['predicted_objects']} predicted "
        f"{counts['invented']} invented",
        soft_wrap=True,
    )


def show_pruning(rows: Sequence[PrunedScore]) -> None:
    """Speed against score, a row a level."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("poolings kept", "parameters", "multiply-adds a pixel", "Mpx/s", "dice"):
        table.add_column(column)
    for row in rows:
        speed = f"{row.pixels_per_second / 1e6:.3g}"
        table.add_row(str(row.level), f"{row.parameters:,}", f"{row.multiply_adds:,}", speed, _interval(row.dice))
    console().print(table)


def show_runtimes(rows: Sequence[RuntimeScore]) -> None:
    """Speed against score, a row a runtime and precision."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("runtime", "precision", "Mpx/s", "speed", "dice", "difference", "other labels"):
        table.add_column(column)
    first = rows[0]
    for row in rows:
        gain = row.pixels_per_second / first.pixels_per_second
        cells = [row.runtime, row.precision, f"{row.pixels_per_second / 1e6:.3g}", f"{gain:.2f} ×"]
        cells.append("undefined" if row.dice is None else f"{row.dice:.4f}")
        if row is not first and row.difference is not None:
            low, high = row.difference.low, row.difference.high
            interval = "" if low is None or high is None else rf" \[{low:+.4f}, {high:+.4f}]"
            cells += [f"{row.difference.mean:+.4f}{interval}", f"{row.changed:.3%}"]
        table.add_row(*cells)
    out = console()
    out.print(table)
    out.print(f"{first.images} images; differences and other labels are against the first row", soft_wrap=True)


def show_comparison(comparison: Comparison) -> None:
    """A row a variant: score, difference from the first, and costs."""
    from unetkit.compare.comparison import network_text
    from unetkit.compare.curve import forecast_text
    from unetkit.compare.differences import SAID, difference_text

    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    said, costed = ("Dice", "against the first", ""), ("parameters", "memory", "trained", "predicted")
    for column in ("variant", "network", *said, *costed):
        table.add_column(column)
    for row in comparison.rows:
        costs, versus = row.costs, row.versus
        if not costs:
            table.add_row(escape(row.variant.name), "", "failed" if row.fault else "not trained")
            continue
        mean, low, high = row.score or (None, None, None)
        table.add_row(
            escape(row.variant.name),
            network_text(row.network),
            _interval({"mean": mean, "low": low, "high": high}),
            difference_text(versus).replace("[", r"\[") if versus else "",
            SAID[versus.verdict] if versus else "",
            f"{costs['parameters'] / 1e6:.2f} M",
            f"{costs['peak_memory_bytes'] / 1e9:.1f} GB",
            f"{costs['trained_mpx_per_s']:.2f} Mpx/s",
            f"{costs['predicted_mpx_per_s']:.2f} Mpx/s",
        )
    out.print(table)
    for row in comparison.rows:
        if row.fault:
            out.print(f"{escape(row.variant.name)} failed: {escape(row.fault)}", soft_wrap=True)
    once = comparison.trained_once
    over = "images and trainings" if max(len(row.scores) for row in comparison.rows) > 1 else "images alone"
    some = f" (images alone for what was trained once: {', '.join(once)})" if once and over != "images alone" else ""
    out.print(
        f"{len(comparison.images)} images, {comparison.trainings} each; 95 % intervals over {over}{escape(some)}, "
        "those of differences are joint",
        soft_wrap=True,
    )
    if comparison.warning:
        out.print(f"warning: {comparison.warning}", soft_wrap=True)
    if (curve := comparison.curve) is not None:
        out.print(f"learning curve: {forecast_text(curve)}".replace("[", r"\["), soft_wrap=True)
    elif comparison.no_curve:
        out.print(comparison.no_curve, soft_wrap=True)


def _interval(value: Mapping[str, float | None]) -> str:
    if value["mean"] is None:
        return "undefined"
    if value["low"] is None:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]".replace("[", r"\[")


def _facts(out: Console, facts: Any) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for label, value in facts:
        table.add_row(escape(str(label)), escape(str(value)))
    out.print(table)


def show_summary(overall: Mapping[str, Any]) -> None:
    """How many objects of each class there are, and what they are like."""
    out = console()
    removed = f", {overall['removed']} removed by rules" if overall["removed"] else ""
    images = f"{overall['images']} image{'' if overall['images'] == 1 else 's'}"
    out.print(f"{overall['objects']} objects in {images}{removed}; intervals {overall['intervals']}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("class", "what", "value", "interval"):
        table.add_column(column, justify="right" if column in ("value", "interval") else "left")
    for name, one in overall["classes"].items():
        rows = [(f"{what}, per image", numbers, "mean") for what, numbers in one["per_image"].items()]
        rows += [(f"{what}, median", numbers, "median") for what, numbers in one["medians"].items()]
        for what, numbers, key in rows:
            if numbers[key] is not None:
                ends = "" if numbers["low"] is None else f"{numbers['low']:.4g} to {numbers['high']:.4g}"
                table.add_row(escape(name), what, f"{numbers[key]:.4g}", ends)
    out.print(table)


def show_suspicion(verdicts: Sequence[Verdict], most: int) -> None:
    """The most suspicious masks, each with the finding that weighs most."""
    out = console()
    found = [verdict for verdict in verdicts if verdict.findings]
    out.print(f"{len(found)} of {len(verdicts)} masks have something to look at")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("image", "suspicion", "where", "what", "to mend it"):
        table.add_column(column, overflow="fold")
    for verdict in found[:most]:
        worst = verdict.findings[0]
        table.add_row(escape(verdict.name), f"{verdict.score:.2f}", worst.place, escape(worst.what), escape(worst.mend))
    if found:
        out.print(table)
