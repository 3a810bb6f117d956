"""What every page has in common: templates, words, assets, headers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from kiti.pages.assets import Assets
from kiti.pages.visits import Visit, Visits
from kiti.pages.words import Words

_HERE: Final = Path(__file__).parent
_POLICY: Final = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Shell:
    """Renders pages. Made once for a process."""

    environment: Environment
    words: Words
    assets: Assets
    visits: Visits

    @classmethod
    def of(cls, visits: Visits) -> Self:
        """With the templates and static files of this package, in English."""
        words, assets = Words.english(), Assets.of(_HERE / "static")
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(words.translations, newstyle=True)  # pyright: ignore[reportAttributeAccessIssue]
        environment.filters.update(
            money=words.money,
            day=words.day,
            short_day=words.short_day,
            time=words.time,
            duration=words.duration,
            seat_class=words.seat_class,
            sentence=words.sentence,
        )
        return cls(environment, words, assets, visits)

    def show(
        self,
        visit: Visit | None,
        template: str,
        *,
        status: int = 200,
        leads_away: bool = False,
        **facts: object,
    ) -> Response:
        """The page for this visitor, never kept by anybody; `visit` None: it is not known whose.

        With `leads_away` its forms may end at another site: a gateway's hosted page.
        """
        html = self.environment.get_template(template).render(
            asset=self.assets.url,
            language=self.words.language,
            visit=visit,
            csrf=lambda: "" if visit is None else self.visits.form_token(visit),
            **facts,
        )
        response = HTMLResponse(html, status_code=status)
        response.headers["Content-Security-Policy"] = (
            _POLICY if leads_away else f"{_POLICY}; form-action 'self'"
        )
        return self._finish(visit, response)

    def go(self, visit: Visit | None, url: str) -> Response:
        """Send the browser to `url` by GET."""
        return self._finish(visit, Response(status_code=303, headers={"Location": url}))

    def _finish(self, visit: Visit | None, response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Language"] = self.words.language
        if visit is not None:
            self.visits.leave(visit, response)
        return response
