"""Plain pages for people who play the customer: no script, narrow screens, both colour schemes."""

from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 26rem; padding: 1rem }
h1 { font-size: 1.25rem; margin: 0 0 .5rem; overflow-wrap: anywhere }
.amount { font-size: 2rem; font-weight: 700; margin: 0 }
.note { border-left: .25rem solid currentColor; padding-left: .75rem }
dl { margin: 1rem 0 } dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
fieldset { border: 1px solid; border-radius: .5rem; margin: 0 0 1rem; padding: .75rem 1rem }
button, input { box-sizing: border-box; font: inherit; min-height: 2.75rem; width: 100% }
button { cursor: pointer; margin: .25rem 0 }
:focus-visible { outline: .2rem solid; outline-offset: .15rem }
"""


def page(title: str, content: str, status: int = 200) -> HTMLResponse:
    """A whole page. `title` is escaped here; `content` is markup."""
    safe = escape(title)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{safe} – sandbox</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{safe}</h1>{content}"
        f'<p class="note">Simulated gateway: no real money moves here.</p>'
        f"</main></body></html>",
        status_code=status,
        headers=_HEADERS,
    )


def paragraph(text: str) -> str:
    """One paragraph of plain text, escaped."""
    return f"<p>{escape(text)}</p>"
