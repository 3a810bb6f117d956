"""A browser without JavaScript: it reads HTML, follows links and sends forms as browsers do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

VOID = {"meta", "link", "input", "br", "hr", "img"}
REDIRECTS_MAX = 5


@dataclass
class Field:
    """A control of a form, as it would be sent."""

    name: str
    kind: str
    value: str
    is_on: bool = True
    is_disabled: bool = False
    says: str = ""


@dataclass
class Form:
    """A form of a page."""

    method: str
    action: str
    fields: list[Field] = field(default_factory=list[Field])

    def names(self) -> set[str]:
        return {each.name for each in self.fields}

    def value(self, name: str) -> str:
        return next(each.value for each in self.fields if each.name == name)

    def sent(
        self, changes: Mapping[str, str | list[str]], press: str | None
    ) -> list[tuple[str, str]]:
        """The fields in their order; a list ticks these of the boxes of that name."""
        unknown = set(changes) - self.names()
        assert not unknown, f"no such field: {unknown} in {sorted(self.names())}"
        out: list[tuple[str, str]] = []
        for each in self.fields:
            change = changes.get(each.name)
            if each.is_disabled or not each.name:
                continue
            if each.kind == "button":
                if each.value == press:
                    out.append((each.name, each.value))
            elif each.kind in {"checkbox", "radio"}:
                wanted = [change] if isinstance(change, str) else change
                is_on = each.is_on if wanted is None else each.value in wanted
                if is_on:
                    out.append((each.name, each.value))
            else:
                out.append((each.name, change if isinstance(change, str) else each.value))
        return out


@dataclass
class Link:
    href: str
    text: str


class _Reader(HTMLParser):
    """Reads a page, and refuses one that is not well made."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.forms: list[Form] = []
        self.links: list[Link] = []
        self.text: list[str] = []
        self.title = ""
        self.heading = ""
        self.refresh: str | None = None
        self.inline: list[str] = []
        self._form: Form | None = None
        self._select: Field | None = None
        self._link: Link | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag == "meta" and given.get("http-equiv") == "refresh":
            self.refresh = given["content"]
        if tag == "form":
            self._form = Form(given.get("method", "get"), given.get("action", ""))
            self.forms.append(self._form)
        elif tag == "a" and "href" in given:
            self._link = Link(given["href"], "")
            self.links.append(self._link)
        self._read_control(tag, given)

    def _read_control(self, tag: str, given: dict[str, str]) -> None:
        if self._form is None:
            return
        if tag == "input":
            kind = given.get("type", "text")
            value = given.get("value", "on" if kind in {"checkbox", "radio"} else "")
            is_on = kind not in {"checkbox", "radio"} or "checked" in given
            is_disabled, says = "disabled" in given, given.get("aria-label", "")
            self._form.fields.append(
                Field(given.get("name", ""), kind, value, is_on, is_disabled, says)
            )
        elif tag == "button":
            self._form.fields.append(Field(given.get("name", ""), "button", given.get("value", "")))
        elif tag == "select":
            self._select = Field(given.get("name", ""), "select", "")
            self._form.fields.append(self._select)
        elif tag == "option" and self._select is not None and "selected" in given:
            self._select.value = given.get("value", "?")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()
        if tag == "form":
            self._form = None
        elif tag == "a":
            self._link = None
        elif tag == "select":
            self._select = None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "path", f"<{tag}/> is no HTML"
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if "title" in self.open:
            self.title += data
            return
        if "script" in self.open or not data.strip():
            return
        self.text.append(data)
        if "h1" in self.open:
            self.heading += f" {data}"
        if self._link is not None:
            self._link.text += data
        if self._select is not None and self._select.value == "?" and "option" in self.open:
            self._select.value = data.strip()


@dataclass
class Page:
    """A page as it was answered."""

    url: str
    status: int
    headers: httpx2.Headers
    html: str
    title: str
    heading: str
    text: str
    forms: list[Form]
    links: list[Link]
    ids: list[str]
    refresh: str | None

    def form(self, part: str) -> Form:
        """The form whose action has `part` in it."""
        found = [form for form in self.forms if part in form.action]
        assert len(found) == 1, f"{len(found)} forms to {part} in {self.html}"
        return found[0]

    def link(self, part: str) -> str:
        """Where the first link goes whose address or text has `part` in it."""
        found = [each.href for each in self.links if part in each.href or part in each.text]
        assert found, f"no link {part} in {self.html}"
        return found[0]

    def box(self, label: str) -> Field:
        """The seat of this label."""
        boxes = [f for form in self.forms for f in form.fields if f.kind == "checkbox"]
        return next(each for each in boxes if each.value == label)


def read_page(answer: httpx2.Response) -> Page:
    """The page, which must be well made and have nothing that our policy forbids."""
    reader = _Reader()
    reader.feed(answer.text)
    reader.close()
    assert reader.open == [], f"never closed: {reader.open}"
    assert reader.inline == [], f"inline: {reader.inline}"
    assert len(reader.ids) == len(set(reader.ids)), f"ids twice: {sorted(reader.ids)}"
    assert reader.heading, "a page has a heading"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    return Page(
        str(answer.url),
        answer.status_code,
        answer.headers,
        answer.text,
        " ".join(reader.title.split()),
        " ".join(reader.heading.split()),
        " ".join(" ".join(reader.text).split()),
        reader.forms,
        reader.links,
        reader.ids,
        reader.refresh,
    )


class Left(Exception):
    """The browser was sent to another site; `args[0]` is the address."""


class PlainBrowser:
    """One browser with its cookies; `client` is its own."""

    def __init__(self, client: httpx2.AsyncClient, origin: str) -> None:
        self.client = client
        self.origin = origin

    async def get(self, path: str, **query: str) -> Page:
        """The page at a path, redirects followed."""
        return await self._read(await self.client.get(self._url(path), params=query or None))

    async def submit(
        self,
        page: Page,
        part: str,
        changes: Mapping[str, str | list[str]] | None = None,
        *,
        press: str | None = None,
    ) -> Page:
        """Send the page's form to `part`; the page that follows."""
        return await self._read(await self.send(page, page.form(part), changes, press=press))

    async def send(
        self,
        page: Page,
        form: Form,
        changes: Mapping[str, str | list[str]] | None = None,
        *,
        press: str | None = None,
    ) -> httpx2.Response:
        """Send a form; the answer itself."""
        encoded = urlencode(form.sent(changes or {}, press))
        url = urljoin(page.url, form.action)
        if form.method == "get":
            return await self.client.get(f"{url}?{encoded}")
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await self.client.post(url, content=encoded.encode(), headers=headers)

    async def _read(self, answer: httpx2.Response) -> Page:
        for _ in range(REDIRECTS_MAX):
            if answer.status_code != 303:
                return read_page(answer)
            url = urljoin(str(answer.url), answer.headers["location"])
            if not url.startswith(self.origin + "/"):
                raise Left(url)
            answer = await self.client.get(url)
        raise AssertionError(f"too many redirects: {answer.url}")

    def _url(self, path: str) -> str:
        return path if urlsplit(path).scheme else self.origin + path
