"""The manifest of a run: what was asked, of which data, with which software."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pets_eval
from pets_eval.model.record import DatasetFacts, Manifest, Planned
from pets_eval.model.schema import Schema
from pets_eval.registry import load
from pets_eval.run.data import load_dataset
from pets_eval.run.engine import available_cpus
from pets_eval.run.files import now
from pets_eval.run.identity import base_versions, distributions
from pets_eval.run.plan import Plan


def make_manifest(
    plan: Plan, keys: dict[str, str], planned: list[Planned], data: Path, earlier: Manifest | None, command: str
) -> Manifest:
    """Describe the run of *plan* on the prepared data below *data*, or as *earlier* described the same data."""
    known = {f.prepared: f for f in earlier.datasets.values()} if earlier else {}
    return Manifest(
        study=plan.study,
        created=now(),
        command=command,
        pets_eval=pets_eval.__version__,
        revision=_revision(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpus=available_cpus(),
        packages=_packages({c.spec.technique for c in plan.cells}),
        datasets={label: known.get(key) or _facts(plan, label, key, data / key) for label, key in keys.items()},
        plan=planned,
    )


def same_run(a: Manifest, b: Manifest) -> bool:
    """Whether two manifests describe the same study, data and cells: which software ran them, the first one knows."""
    asked = {"study", "datasets", "plan"}
    return a.model_dump(include=asked) == b.model_dump(include=asked)


def _facts(plan: Plan, label: str, key: str, home: Path) -> DatasetFacts:
    dataset = load_dataset(home)
    kept: dict[str, Any] = json.loads((home / "dataset.json").read_text())
    rows = kept["rows"]
    card = dataset.card
    return DatasetFacts(
        use=plan.datasets[label].pick.use,
        fingerprint=dataset.fingerprint,
        prepared=key,
        title=card.title,
        description=card.description,
        source=card.source,
        licence=card.licence,
        url=card.url,
        population=card.population,
        generated=card.generated,
        not_for=list(card.not_for),
        notes=list(card.notes),
        unit=dataset.schema.unit,
        unit_is=dataset.schema.unit_is,
        rows=dataset.schema.rows,
        columns=_public_columns(dataset.schema),
        from_data=dataset.schema.hazards(),
        parties={party: rows[file] for party, file in kept["parts"].items()},
        layout=dataset.layout,
        train_rows=rows["train"],
        control_rows=rows.get("control", 0),
    )


def _public_columns(schema: Schema) -> dict[str, Any]:
    """The columns as the schema describes them, without the domains and bounds that were read from the data."""
    columns: dict[str, Any] = schema.to_json()["columns"]
    hidden = {"domain", "bounds", "bins", "missing"}
    return {
        name: {k: v for k, v in facts.items() if k not in hidden} if facts.get("from-data") else facts
        for name, facts in columns.items()
    }


def _packages(techniques: set[str]) -> dict[str, str]:
    names = set(base_versions())
    for technique in techniques:
        for package in load("techniques", technique).requires:
            names.update(distributions(package.partition(".")[0]))
    found: dict[str, str] = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _revision() -> str:
    """The git revision of a checkout, "+" if it has changes; "" for an installed package."""
    home = Path(pets_eval.__file__).parent.parent
    if not (home / ".git").exists():
        return ""
    try:
        head, status = (
            subprocess.run(
                ["git", "-C", str(home), *arguments], capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
            for arguments in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if status else "")
