"use strict";
// The timelines. Texts are only ever set as text: names of steps come from users.
(() => {
  const ROW = 24;
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  document.documentElement.classList.add("js");

  const make = (parent, tag, name, text) => {
    const made = parent.appendChild(document.createElement(tag));
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const span = (seconds) => {
    if (seconds < 60) return `${seconds < 10 ? +seconds.toFixed(1) : Math.round(seconds)} s`;
    const whole = Math.round(seconds), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
    if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
    return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  };
  const clock = (unix) => new Date(unix * 1000).toISOString().slice(11, 19) + "Z";

  function timeline(article, run) {
    const axis = article.querySelector(".axis"), box = article.querySelector(".rows");
    const view = { show: "path", from: 0, to: run.total || 1, closed: new Set(), rows: [] };
    box.textContent = "";
    const pad = make(box, "div", "pad");

    // What is not inside of something that is closed.
    const choose = () => {
      const all = run[view.show];
      view.rows = [];
      let hidden = Infinity;
      for (let i = 0; i < all.length; i++) {
        if (all[i].depth > hidden) continue;
        hidden = Infinity;
        view.rows.push(i);
        if (view.closed.has(view.show + i)) hidden = all[i].depth;
      }
      pad.style.height = `${view.rows.length * ROW}px`;
    };
    const percent = (seconds) => (100 * (seconds - view.from)) / (view.to - view.from);
    const drawAxis = () => {
      axis.textContent = "";
      axis.style.marginRight = `${box.offsetWidth - box.clientWidth}px`; // the scroll bar
      const width = view.to - view.from;
      const steps = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
      const step = steps.find((s) => width / s <= 9) || Math.ceil(width / 9 / 86400) * 86400;
      for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step)
        make(axis, "span", "", span(at)).style.left = `${percent(at)}%`;
    };
    // Only what can be seen is drawn: a run can have thousands of steps.
    const draw = () => {
      const all = run[view.show];
      const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 4);
      const last = Math.min(view.rows.length, first + Math.ceil((box.clientHeight || 600) / ROW) + 8);
      pad.textContent = "";
      for (let place = first; place < last; place++) drawRow(all, view.rows[place], place);
    };
    const drawRow = (all, index, place) => {
      const row = all[index], line = make(pad, "div", "row");
      line.setAttribute("role", "listitem");
      line.dataset.index = index;
      line.style.top = `${place * ROW}px`;
      if (row.critical && view.show === "all") line.classList.add("critical");
      if (row.phase === "Failed" || row.phase === "Error") line.classList.add("failed");
      const name = make(line, "div", "name");
      name.style.paddingLeft = `${Math.min(row.depth, 12) * 14}px`;
      if (index + 1 < all.length && all[index + 1].depth > row.depth) {
        const key = view.show + index, closed = view.closed.has(key);
        const toggle = make(name, "button", "", closed ? "▸" : "▾");
        toggle.type = "button";
        toggle.setAttribute("aria-expanded", String(!closed));
        toggle.setAttribute("aria-label", `What is inside ${row.name}`);
        toggle.addEventListener("click", () => {
          closed ? view.closed.delete(key) : view.closed.add(key);
          choose();
          draw();
        });
      }
      name.append(row.name);
      const lane = make(line, "div", "lane");
      if (!row.parts.length) place_(make(lane, "div", "group"), row.start, row.end - row.start);
      row.parts.forEach(([cause, start, length], number) => {
        const seg = make(lane, "div", `seg c-${cause}`);
        seg.dataset.part = number;
        place_(seg, start, length);
      });
    };
    const place_ = (element, start, length) => {
      element.style.left = `${percent(start)}%`;
      element.style.width = `${(100 * length) / (view.to - view.from)}%`;
    };
    const redraw = () => { choose(); drawAxis(); draw(); };
    const zoom = (from, to) => {
      const least = Math.max(run.total / 2000, 0.05);
      if (to - from < least) to = from + least;
      const width = Math.min(to - from, run.total || 1);
      view.from = Math.max(0, Math.min(from, run.total - width));
      view.to = view.from + width;
      drawAxis();
      draw();
    };

    box.addEventListener("scroll", draw, { passive: true });
    window.addEventListener("resize", draw);
    for (const button of article.querySelectorAll("[data-show]"))
      button.addEventListener("click", () => {
        view.show = button.dataset.show;
        for (const other of article.querySelectorAll("[data-show]"))
          other.setAttribute("aria-pressed", String(other === button));
        box.scrollTop = 0;
        redraw();
      });
    for (const button of article.querySelectorAll("[data-zoom]"))
      button.addEventListener("click", () => {
        const middle = (view.from + view.to) / 2, half = (view.to - view.from) / 2;
        const factor = { in: 0.5, out: 2 }[button.dataset.zoom];
        factor ? zoom(middle - half * factor, middle + half * factor) : zoom(0, run.total);
      });

    // Drag over a stretch of time to see it alone.
    let drag = null;
    const at = (event) => {
      const lane = box.querySelector(".lane").getBoundingClientRect();
      return view.from + ((event.clientX - lane.left) / lane.width) * (view.to - view.from);
    };
    box.addEventListener("pointerdown", (event) => {
      if (event.button || !event.target.closest(".lane")) return;
      drag = { from: at(event), mark: make(box, "div", "drag") };
      drag.mark.hidden = true;
    });
    window.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const lane = box.querySelector(".lane").getBoundingClientRect(), left = box.getBoundingClientRect().left;
      const low = Math.min(drag.from, at(event)), high = Math.max(drag.from, at(event));
      drag.mark.hidden = false;
      drag.mark.style.left = `${lane.left - left + (percent(low) / 100) * lane.width}px`;
      drag.mark.style.width = `${((percent(high) - percent(low)) / 100) * lane.width}px`;
      drag.mark.style.height = `${pad.clientHeight}px`;
    });
    window.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const from = drag.from, to = at(event);
      drag.mark.remove();
      drag = null;
      if (Math.abs(to - from) > (view.to - view.from) / 100) zoom(Math.min(from, to), Math.max(from, to));
    });
    box.addEventListener("dblclick", () => zoom(0, run.total));
    box.addEventListener("keydown", (event) => {
      const width = view.to - view.from;
      if (event.key === "+") zoom(view.from + width / 4, view.to - width / 4);
      else if (event.key === "-") zoom(view.from - width / 2, view.to + width / 2);
      else if (event.key === "ArrowLeft") zoom(view.from - width / 8, view.to - width / 8);
      else if (event.key === "ArrowRight") zoom(view.from + width / 8, view.to + width / 8);
      else return;
      event.preventDefault();
    });

    box.addEventListener("pointerover", (event) => {
      const line = event.target.closest(".row");
      if (!line || drag) return;
      const row = run[view.show][line.dataset.index], part = row.parts[event.target.dataset.part];
      tip.textContent = "";
      make(tip, "b", "", row.name);
      if (part) {
        const [cause, start, length, reason] = part;
        make(tip, "span", "", `${data.causes[cause].label}: ${span(length)}${reason ? `, ${reason}` : ""}`);
        make(tip, "div", "", data.causes[cause].means);
        make(tip, "div", "", `${span(start)} after the beginning, ${clock(run.began + start)}`);
        if (cause === "pull") for (const pull of row.pulls) make(tip, "div", "", pull);
      } else make(tip, "span", "", `${span(row.end - row.start)}, from ${clock(run.began + row.start)}`);
      const what = [row.template && `template ${row.template}`, row.type, row.phase, row.machine && `on ${row.machine}`];
      make(tip, "div", "", what.filter(Boolean).join(" · "));
      if (row.message) make(tip, "div", "", row.message);
      tip.hidden = false;
    });
    box.addEventListener("pointermove", (event) => {
      tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
      const below = event.clientY + 18;
      tip.style.top = `${below + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : below}px`;
    });
    box.addEventListener("pointerleave", () => { tip.hidden = true; });
    redraw();
    return draw;
  }

  const draws = new Map();
  const show = (number) => {
    for (const article of document.querySelectorAll("article"))
      article.classList.toggle("shown", article.dataset.run === String(number));
    for (const link of document.querySelectorAll("a[data-run]"))
      link.closest("tr").classList.toggle("current", link.dataset.run === String(number));
    if (draws.has(number)) draws.get(number)();
    else draws.set(number, timeline(document.getElementById(`run-${number}`), data.runs[number]));
  };
  for (const link of document.querySelectorAll("a[data-run]"))
    link.addEventListener("click", (event) => { event.preventDefault(); show(Number(link.dataset.run)); });
  show(Number(document.querySelector("article.shown").dataset.run));
})();
