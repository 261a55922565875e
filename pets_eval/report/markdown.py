"""The scorecard as Markdown: the same tables, everything from data escaped, addresses as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pets_eval.guideline.model import Criterion, Verdict
from pets_eval.report import overview, places, words
from pets_eval.report.model import Scorecard
from pets_eval.report.table import Cell, Sheet
from pets_eval.report.words import SIGN

_SPECIAL = re.compile(r"([\\`*_{}\[\]~|$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_AT_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#=]|--|[+-](?:\s|$)))")


def to_markdown(card: Scorecard) -> str:
    """The scorecard as GitHub-flavoured Markdown."""
    blocks = [
        *_evaluated(card),
        *_protects(card),
        *_figures(card),
        *_verdicts(card),
        *_ended(card),
        *_reproduce(card),
        "---",
        "This page has no overall grade. Which trade is right depends on the purpose, the people in the data and the "
        "adversary; that decision is yours. A test that finds nothing is no proof that there is nothing.",
    ]
    return "\n\n".join(b for b in blocks if b) + "\n"


def text(value: object) -> str:
    """*value* as one line of Markdown text in which nothing is markup.

    >>> text("a|b <script> [x](http://y) `c`")
    'a\\\\|b &lt;script&gt; \\\\[x\\\\](http:&#47;&#47;y) \\\\`c\\\\`'
    """
    line = " ".join(str(value).split())
    line = "".join(_ENTITIES.get(c, c) for c in line if c.isprintable())
    line = _SPECIAL.sub(r"\\\1", line)
    line = line.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")
    return _AT_START.sub(r"\1\\", line)


def _table(sheet: Sheet) -> str:
    heads = [text(sheet.first), *(_two(text(h.text), text(h.small)) for h in sheet.headers)]
    rows = [[_name(line.name, line.anchor), *map(_cell, line.cells)] for line in sheet.lines]
    return f"*{text(sheet.caption)}*\n\n" + _grid(heads, rows)


def _name(label: str, anchor: bool) -> str:
    return f"**{text(label)}**" + (" (anchor)" if anchor else "")


def _asked(criterion: Criterion) -> str:
    return f"**{criterion.id}** {text(criterion.text)} ({criterion.evidence} evidence)"


def _sign(verdict: Verdict) -> str:
    return f"{SIGN[verdict.verdict]} {verdict.verdict}"


def _grid(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _cell(cell: Cell) -> str:
    return _two(text(cell.text), "; ".join(text(p) for p in (cell.small, cell.note) if p))


def _two(main: str, small: str) -> str:
    return f"{main} ({small})" if small else main


def _list(pairs: Iterable[tuple[str, object]]) -> str:
    return "\n".join(f"- **{name}:** {text(value) or 'not stated'}" for name, value in pairs)


def _evaluated(card: Scorecard) -> list[str]:
    counts = card.counts
    ended = "".join(f", {n} {words.STATUS[s].lower()}" for s, n in counts.ended.items())
    about: list[tuple[str, object]] = [
        ("Purpose", card.purpose),
        ("How results are shared", words.SHARING.get(card.sharing_model, "")),
        ("People in the data", card.data_subjects),
        ("Threat model", card.threat_model),
        ("Remaining risks", "; ".join(card.residual_risks) or "none are listed"),
        ("Evaluated on", card.created),
        ("Valid until", card.expires),
        ("Guideline", f"{card.guideline.title}, version {card.guideline.version}"),
        ("Cells", f"{counts.planned} planned, {counts.finished} finished{ended}{overview.flawed(card.broken)}"),
    ]
    blocks = [f"# Scorecard: {text(card.title)}", "## 1. What was evaluated", _list(about)]
    blocks.append(
        "A figure is the mean over the repeats, with its 95% interval. The anchors show the two ends: *raw* publishes "
        "the truth without protection, *null* answers without looking at the data. “Not measured” is never zero, and "
        "a claim is never counted as a measurement."
    )
    for d in card.datasets:
        facts = d.facts
        blocks.append(f"### Dataset {text(d.name)}: {text(facts.title)}")
        blocks += [f"> **Warning:** {text(w)}" for w in d.warnings]
        pairs: list[tuple[str, object]] = [
            ("Description", facts.description),
            ("Source", facts.source),
            ("Licence", facts.licence),
            ("Rows", f"{facts.train_rows:,} protected, {facts.control_rows:,} held out"),
            ("Unit of privacy", "a record" if facts.unit == "record" else f"whom column {facts.unit} names"),
            ("Columns", ", ".join(facts.columns)),
            ("Fingerprint", facts.fingerprint),
        ]
        optional = [("Address", facts.url), ("Population", facts.population), ("Notes", "; ".join(facts.notes))]
        blocks.append(_list(pairs + [(name, value) for name, value in optional if value]))
    blocks.append("### Tasks")
    blocks.append(
        "\n".join(
            f"- **{text(t.label)}** ({text(t.use)}) {text(words.settings(t.params))}".rstrip() for t in card.tasks
        )
    )
    return blocks


def _protects(card: Scorecard) -> list[str]:
    blocks = ["## 2. What each technique protects, and what it does not"]
    for members in overview.technique_groups(card):
        first = members[0]
        blocks.append(f"### {text(first.technique)}" + (" (anchor)" if first.anchor else ""))
        c = first.claims
        if c is None:
            variants = text("; ".join(overview.params(t) for t in members))
            blocks.append(f"No cell of this technique ({variants}) finished, so it stated nothing.")
            continue
        protects = "; ".join(words.PROTECTS.get(p, p) for p in c.protects) or "none is claimed"
        released = "; ".join(dict.fromkeys(n for t in members for n in t.release_notes))
        blocks.append(
            _list(
                [
                    ("Parameters", "; ".join(overview.params(t) for t in members)),
                    ("Protects", c.covers),
                    ("Does NOT protect", c.leaves),
                    ("Kind of protection", protects),
                    ("Against whom", f"{words.ADVERSARY.get(c.adversary, c.adversary)} ({c.adversary})"),
                    ("Who is trusted", f"{words.TRUST.get(c.trust_model, c.trust_model)} ({c.trust_model})"),
                    *([("About its releases", released)] if released else []),
                ]
            )
        )
        blocks += [f"> **No protection of records was shown:** {s}" for s in overview.unattacked(card, members)]
        blocks += [f"> **Privacy hazard:** {text(h)}" for h in overview.hazards(members)]
        sheet = overview.guarantee_sheet(members)
        blocks.append(_table(sheet) if sheet else "No formal guarantee came with its releases.")
        assumed = overview.assumptions(members)
        if assumed:
            blocks.append(overview.condition(members) + "\n\n" + "\n".join(f"- {text(a)}" for a in assumed))
    return blocks


def _figures(card: Scorecard) -> list[str]:
    blocks = ["## 3. Privacy, utility, equity and cost"]
    views = places.place_views(card)
    for view in views:
        blocks.append(f"### {text(view.dataset)} / {text(view.task)}")
        for curve in view.curves:
            blocks += [_table(places.curve_sheet(curve)), *map(text, places.curve_remarks(curve))]
        blocks += [text(s) for s in view.privacy]
        blocks += [_table(s) for s in view.sheets]
        blocks += [_table(places.tradeoff_sheet(t)) for t in view.tradeoffs]
        blocks += [_table(s) for s in view.details]
    return blocks if views else [*blocks, "No cell finished, so there is no figure."]


def _verdicts(card: Scorecard) -> list[str]:
    blocks = ["## 4. Held against the guideline", text(card.guideline.note)]
    blocks.append(
        "The unfavourable end of a figure's interval decides, except that a failure of an attack must be certain: "
        "there the favourable end decides, and a doubt is flagged. The worst task counts."
    )
    blocks.append("\n".join(f"- {SIGN[name]} **{name}**: {meaning}" for name, meaning in words.MEANING.items()))
    held = overview.held(card)
    if held.shared:
        blocks += ["*Criteria on which all techniques stand alike*", _checklist(held.shared_rows)]
    for c in held.alone:
        blocks += [f"*{text(c.caption)}: {c.counts}*", _checklist(c.rows)]
    for m in held.matrices:
        blocks.append(f"*{m.caption}*")
        rows = [[_name(t.label, t.anchor), *map(_sign, found)] for t, found in m.rows]
        blocks.append(_grid(["Technique", *map(_asked, m.criteria)], rows))
        blocks.append(f"None of these is asked of {text(', '.join(m.excused))}." if m.excused else "")
    if held.unasked:
        blocks.append(f"Not asked of any technique here: {', '.join(held.unasked)}.")
    for r in overview.reasons(card):
        blocks.append(f"### Reasons: {text(r.technique.label)}")
        blocks.append(
            "\n".join(f"- {SIGN[v.verdict]} **{v.verdict}** {v.criterion}: {text(v.reason)}" for v in r.verdicts)
        )
    blocks.append("### Where the criteria come from")
    blocks.append("\n".join(f"- **{c.id}** {text('; '.join(c.sources))}" for c in card.guideline.criteria))
    return blocks


def _checklist(rows: Iterable[tuple[Criterion, Verdict]]) -> str:
    told = [[_asked(criterion), _sign(found), text(found.reason)] for criterion, found in rows]
    return _grid(["Criterion", "Verdict", "Reason"], told)


def _ended(card: Scorecard) -> list[str]:
    blocks = ["## 5. What did not finish"]
    if not card.ended:
        blocks.append("Every planned cell finished.")
    elif all(e.status == "skipped" for e in card.ended):
        blocks.append("No cell failed, was stopped or is still to run; some were skipped.")
    sheets = [
        overview.ended_sheet(card.ended),
        overview.broken_sheet(card.broken),
        overview.skipped_sheet(card.ended, card.techniques),
    ]
    return blocks + [_table(s) for s in sheets if s.lines]


def _reproduce(card: Scorecard) -> list[str]:
    r = card.reproduction
    versions = r.versions | r.packages
    pairs: list[tuple[str, object]] = [
        ("Command", r.command),
        ("pets-eval", f"{r.pets_eval}{f', revision {r.revision}' if r.revision else ''}"),
        ("Python", f"{r.python} on {r.platform}"),
        ("Seed", f"{r.seed}, {r.repeats} repeats"),
        ("Not seeded", "; ".join(r.unseeded) or "nothing"),
        ("Study (SHA-256)", r.study_sha256),
        ("Plan (SHA-256)", r.plan_sha256),
        ("Guideline (SHA-256)", card.guideline.sha256),
    ]
    data = [(f"Data {text(name)}", digest) for name, digest in r.fingerprints.items()]
    packages = ("Packages", ", ".join(f"{k} {v}" for k, v in versions.items()))
    return ["## 6. How to reproduce this", _list([*pairs, *data, packages])]
