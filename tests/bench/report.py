"""What was measured, as Markdown and as JSON."""
import json


def quantity(value, unit):
    """For people: three digits, and a unit that fits."""
    if unit == "seconds":
        for factor, name in (1, "s"), (1e3, "ms"), (1e6, "µs"):
            if value * factor >= 1:
                break
        return f"{value * factor:.3g} {name}"
    if unit == "bytes":
        for shift, name in (30, "GiB"), (20, "MiB"), (10, "KiB"):
            if value >= 1 << shift:
                return f"{value / (1 << shift):.3g} {name}"
        return f"{value:.0f} B"
    if unit == "rate":
        return f"{value:,.0f}/s" if value >= 100 else f"{value:.3g}/s"
    if unit == "truth":
        return "yes" if value else "no"
    if unit == "part":
        return f"{value * 100:.2f} %"
    return quotient(value)


def spread(found, show):
    if found is None:
        return "not measured"
    if found["rounds"] == 1 or found["min"] == found["max"]:
        return show(found["median"])
    return f"{show(found['median'])} ({show(found['min'])} to {show(found['max'])})"


def quotient(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def target(row):
    if not row["target"]:
        return ""
    value = row["target"]["bound"]
    if row["unit"] == "truth":
        return "yes"
    sign = "≥" if row["target"]["relation"] == ">=" else "≤"
    return f"{sign} {quantity(value, row['unit']) if row['absolute'] else f'{value:g}'}"


def line(row):
    show = lambda value: quantity(value, row["unit"])  # noqa: E731
    ratio = "" if row["absolute"] else spread(row["ratio"], quotient)
    other = "" if row["absolute"] else f"{row['beside']}: {spread(row['other'], show)}"
    met = {None: "not measured" if row["target"] else "", True: "yes", False: "**no**"}[row["met"]]
    return f"| {row['what']} | {spread(row['ours'], show)} | {other} | {ratio} | {target(row)} | {met} |"


def head(machine, rounds, quick):
    virtual = ", virtual" if machine["virtual"] else ""
    return [
        f"Measured by `sh tests/bench/run.sh{' --quick' if quick else ''}` on {machine['date']}, commit "
        f"{machine['commit']}: {machine['processor']}{virtual}, {machine['cores']} cores, "
        f"{quantity(machine['memory'], 'bytes')}, {machine['system']}, Linux {machine['kernel']}, Python "
        f"{machine['python']}. Meanwhile others used {machine['others']:.0%} of the processors, and the hypervisor "
        f"kept back {machine['stolen']:.0%}.",
        "",
        f"Medians of {rounds} rounds (what takes seconds: of fewer), lowest and highest in parentheses. In each round "
        "floors, ours and peers ran one after the other; a ratio is of two figures of one round. System calls and page faults of a job are counted one "
        "job at a time, context switches with 4 jobs under way ([how](../tests/bench/README.md#counts)).",
        "",
    ]


def table(groups):
    lines = []
    for heading, rows in groups:
        lines += [f"### {heading}", "", "| | reclaim | beside it | ratio | target | met |", "|---|---|---|---|---|---|"]
        lines += [line(row) for row in rows] + [""]
    return lines


def notes(texts):
    return [f"- {text}" for text in texts] + ([""] if texts else [])


def curve(points):
    """One curve's table: its columns are named in the first of each pair."""
    columns = points["columns"]
    lines = ["| " + " | ".join(name for name, _ in columns) + " |", "|" + "---|" * len(columns)]
    for values in points["rows"]:
        cells = ["" if value is None else quantity(value, unit) for value, (_, unit) in zip(values, columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + [""]


def markdown(document):
    lines = head(document["machine"], document["rounds"], document["quick"])
    lines += table([(group["heading"], group["rows"]) for group in document["groups"]])
    lines += notes(document["notes"])
    for points in document["curves"]:
        lines += [f"### {points['title']}", ""] + curve(points)
    for section in document["sections"]:
        lines += [f"### {section['heading']}", "", section["text"].strip(), ""]
    if document["failures"]:
        lines += ["### Failed", ""] + notes(document["failures"])
    return "\n".join(lines).rstrip() + "\n"


def to_json(document):
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
