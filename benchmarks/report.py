"""The results of `layers.py` as a line in the terminal, and as a table and a chart in docs/performance.md.

python benchmarks/report.py      makes the page again from benchmarks/layers.json
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
BLUE, ORANGE, GREY = "#006BA4", "#C85200", "#595959"
HEADER = (
    f"{'ours / theirs':34}  {'nchw':18}  {'channels_last':18}  {'float64':>11}  {'ms':>8}  {'peak':>5}  {'MB':>10}"
    "  errors: ours theirs  textbook"
)


def mark(result, i):
    """What a ratio is beside its goal and floor."""
    median, goal, floor = list(result["float32"]["ratio"].values())[i][0], result["goal"][i], result["floor"][i]
    return "!" if floor and median > floor else "*" if goal and median <= goal else " "


def line(result):
    single, double = result["float32"], result.get("float64")
    columns = [f"{result['name']:34}"]
    for i, (median, low, high) in enumerate(single["ratio"].values()):
        columns.append(f"{median:5.2f}{mark(result, i)}({low:.2f}-{high:.2f})")
    columns.append("{:5.2f} {:5.2f}".format(*(r[0] for r in double["ratio"].values())) if double else " " * 11)
    columns.append(f"{single['milliseconds']['ours'][0]:8.2f}")
    columns.append(f"{single['share of peak']:5.0%}" if "share of peak" in single else " " * 5)
    columns.append(memory(result) or " " * 10)
    columns.append("{:.0e} {:.0e}".format(*result["errors"]) if "errors" in result else "")
    columns.append(f"{result['textbook']:.0f} x" if "textbook" in result else "")
    return "  ".join(columns)


def memory(result):
    """ours / the larger and the smaller of theirs."""
    found = result.get("megabytes")
    if not found or None in found.values():
        return ""
    return " ".join(f"{found['ours'] / max(found[side], 0.1):.2f}" for side in ("nchw", "cl"))


def table(found):
    lines = [
        "| forward + dx + dw | ours / nchw | ours / channels_last | float64 | our ms | of peak | memory | textbook / ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    marks = {"*": " ✓", "!": " ✗", " ": ""}
    for row in found["rows"]:
        ratios = list(row["float32"]["ratio"].values())
        cells = [row["name"].replace("|", "")]
        cells += [f"{r[0]:.2f} ({r[1]:.2f} to {r[2]:.2f}){marks[mark(row, i)]}" for i, r in enumerate(ratios)]
        cells.append(", ".join(f"{r[0]:.2f}" for r in row["float64"]["ratio"].values()))
        cells.append(f"{row['float32']['milliseconds']['ours'][0]:.3g}")
        share = row["float32"].get("share of peak")
        cells.append(f"{share:.0%}" if share else "")
        cells.append(memory(row).replace(" ", ", "))
        cells.append(f"{row['textbook']:.0f}" if "textbook" in row else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def products_alone(found):
    """A sentence on what of a 1 x 1 layer's time its products are."""
    known = {
        row["name"]: row["float32"]["three products"] for row in found["rows"] if "three products" in row["float32"]
    }
    said = [f"{name}: {' and '.join(f'{ratio[0]:.2f}' for ratio in sides.values())}" for name, sides in known.items()]
    return f"The three products of a 1 x 1 layer alone, against PyTorch's whole layer: {'; '.join(said)}."


def two(found):
    one = {row["name"]: row["float32"]["milliseconds"]["ours"][0] for row in found["rows"]}
    lines = [
        "| two threads on two cores | ours / nchw | ours / channels_last | our gain over one thread |",
        "|---|---|---|---|",
    ]
    for row in found["two threads"]:
        ratios = [f"{r[0]:.2f}" for r in row["float32"]["ratio"].values()]
        gain = one[row["name"]] / row["float32"]["milliseconds"]["ours"][0]
        lines.append(f"| {row['name']} | {' | '.join(ratios)} | {gain:.1f} |")
    return "\n".join(lines)


def chart(found):
    """A dot for each ratio on a logarithmic axis, with the middle half of the rounds as a bar; 1 is PyTorch."""
    from matplotlib.figure import Figure

    rows = found["rows"]
    figure = Figure(figsize=(9, 0.3 * len(rows) + 1.4), layout="constrained")
    ax = figure.add_subplot()
    styles = [("nchw", "PyTorch's usual order", BLUE, "o"), ("cl", "its channels_last", ORANGE, "D")]
    for i, (side, label, colour, marker) in enumerate(styles):
        ratios = [row["float32"]["ratio"][side] for row in rows]
        y = [k + 0.18 * (2 * i - 1) for k in range(len(rows))]
        ax.hlines(y, [r[1] for r in ratios], [r[2] for r in ratios], color=colour, lw=2)
        ax.plot([r[0] for r in ratios], y, marker, color=colour, label=f"against {label}", ms=6)
    ax.axvline(1, color=GREY, lw=1)
    ticks = [0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3]
    ax.set(
        xscale="log", xticks=ticks, xticklabels=ticks, yticks=range(len(rows)), yticklabels=[r["name"] for r in rows]
    )
    ax.minorticks_off()
    ax.grid(axis="x", color="#E4E4E4")
    ax.set_axisbelow(True)
    ax.invert_yaxis()
    ax.set_xlabel("time of ours / time of PyTorch's, one thread, float32 (left of 1: ours is quicker)")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower left", frameon=False)
    figure.savefig(DOCS / "images" / "performance.svg", metadata={"Date": None})


def alt(found):
    quicker = [[row["float32"]["ratio"][side][0] < 1 for row in found["rows"]] for side in ("nchw", "cl")]
    return (
        f"Ratios of our time to PyTorch's for {len(found['rows'])} rows, as dots on a logarithmic axis. {sum(quicker[0])} "
        f"lie left of 1, where ours is quicker, against the usual order, {sum(quicker[1])} against channels_last."
    )


def write(found):
    chart(found)
    machine = "; ".join(f"{key}: {value}" for key, value in found["machine"].items())
    imports = ", ".join(f"{name} {ms:g} ms" for name, ms in found["import milliseconds"].items())
    generated = "\n\n".join(
        [
            f"Measured on {machine}; {found['rounds']} rounds.",
            f"![{alt(found)}](images/performance.svg)",
            table(found),
            products_alone(found),
            *([two(found)] if "two threads" in found else []),
            f"Processor time of `import`: {imports} (ours beyond numpy's).",
        ]
    )
    page = DOCS / "performance.md"
    text = re.sub(r"(?s)(<!-- results -->\n).*(<!-- end -->)", lambda m: f"{m[1]}{generated}\n{m[2]}", page.read_text())
    page.write_text(text)


if __name__ == "__main__":
    write(json.loads((HERE / "layers.json").read_text()))
