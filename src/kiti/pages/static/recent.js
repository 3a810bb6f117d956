// The last searches, kept by this browser alone: the page of results remembers, the first page offers.
const KEY = "kiti-recent";
const KEPT = 5;

const read = () => {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(found) ? found.filter((each) => String(each.url).startsWith("/trips?")) : [];
  } catch {
    return [];
  }
};

const shown = document.querySelector("[data-recent]");
if (shown) {
  const address = new URL(shown.dataset.recent, location);
  // A day goes by and an order is a mood: what is remembered is where from, where to, how many.
  for (const field of ["date", "sort", "cursor"]) address.searchParams.delete(field);
  const url = address.pathname + address.search;
  const text = [...shown.childNodes].filter((node) => !node.classList?.contains("unseen"))
    .map((node) => node.textContent).join("").trim();
  const others = read().filter((each) => each.url !== url);
  try {
    localStorage.setItem(KEY, JSON.stringify([{ url, text }, ...others].slice(0, KEPT)));
  } catch {
    // A browser that keeps nothing: then nothing is offered.
  }
}

const offered = document.querySelector("[data-recents]");
const recents = offered ? read() : [];
if (recents.length) {
  for (const { url, text } of recents) {
    const link = document.createElement("a");
    link.href = url;
    link.textContent = text;
    const item = document.createElement("li");
    item.append(link);
    offered.querySelector("ul").append(item);
  }
  offered.querySelector("button").addEventListener("click", () => {
    localStorage.removeItem(KEY);
    offered.hidden = true;
  });
  offered.hidden = false;
}
