// Fetches the page anew and puts its content in place: one template on the server renders both the
// first view and all later ones, so nothing here builds HTML of names that users chose.
"use strict";

const EVERY = 5000;
let failures = 0;

async function refresh() {
  const answer = await fetch(location.pathname, {headers: {Accept: "text/html"}, cache: "no-store"});
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = new Set([...document.querySelectorAll("details[open]")].map((node) => node.id));
  for (const id of open) fresh.getElementById(id)?.setAttribute("open", "");
  for (const id of ["state", "content", "updated"]) {
    const [now, next] = [document.getElementById(id), fresh.getElementById(id)];
    if (now && next && now.innerHTML !== next.innerHTML) now.replaceWith(document.adoptNode(next));
  }
  document.title = fresh.title;
}

async function loop() {
  if (!document.hidden && !String(getSelection())) {
    try {
      await refresh();
      failures = 0;
    } catch {
      failures += 1;
    }
    document.body.classList.toggle("stale", failures > 1);
  }
  setTimeout(loop, EVERY * Math.min(1 + failures, 6));
}

document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(() => {}));
setTimeout(loop, EVERY);
