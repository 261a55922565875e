"""The scorecard as one HTML page: no script, no request to any host, everything from data escaped."""

from __future__ import annotations

from functools import cache
from itertools import count

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pets_eval.guideline.numbers import NOT_MEASURED
from pets_eval.report import overview, places, words
from pets_eval.report.chart import STYLE, chart_svg
from pets_eval.report.curve_chart import CURVE_STYLE, curve_svg
from pets_eval.report.model import Curve, Scorecard, Tradeoff


def to_html(card: Scorecard) -> str:
    """The page, complete in itself: styles and charts are inside."""
    number = count(1)

    def svg(chart: Tradeoff) -> Markup:
        # chart_svg and curve_svg escape every text they are given; nothing else may enter the page as markup.
        return Markup(chart_svg(chart, f"chart-{next(number)}", styled=False))

    def curve(data: Curve) -> Markup:
        return Markup(curve_svg(data, f"chart-{next(number)}", styled=False))

    return (
        _environment()
        .get_template("scorecard.html.j2")
        .render(
            card=card,
            places=places.place_views(card),
            groups=overview.technique_groups(card),
            held=overview.held(card),
            reasons=overview.reasons(card),
            ended=overview.ended_sheet(card.ended),
            skipped=overview.skipped_sheet(card.ended, card.techniques),
            broken=overview.broken_sheet(card.broken),
            packages=card.reproduction.versions | card.reproduction.packages,
            svg=svg,
            curve=curve,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pets_eval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        chart_style=Markup(STYLE + CURVE_STYLE),
        sign=words.SIGN,
        meaning=words.MEANING,
        status_words=words.STATUS,
        adversary=words.ADVERSARY,
        trust=words.TRUST,
        protects=words.PROTECTS,
        sharing=words.SHARING,
        params=overview.params,
        flawed=overview.flawed,
        settings=words.settings,
        axis_name=places.axis_name,
        tradeoff_sheet=places.tradeoff_sheet,
        curve_sheet=places.curve_sheet,
        curve_remarks=places.curve_remarks,
        guarantee_sheet=overview.guarantee_sheet,
        hazards=overview.hazards,
        condition=overview.condition,
        unattacked=overview.unattacked,
        assumptions=overview.assumptions,
        quiet_words=(NOT_MEASURED, words.NOT_APPLICABLE),
    )
    return environment
