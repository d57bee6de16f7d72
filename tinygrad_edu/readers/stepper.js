// The stepper, in a page or a notebook's widget.  Texts go in as text, never HTML.

function make(name, attributes = {}, ...inside) {
  const [tag, svg] = name.split(":");
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", svg) : document.createElement(tag);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...inside);
  return made;
}

// a line: pieces that begin with their role's letter
const words = (pieces) =>
  make("p", {}, ...(pieces || []).map((p) => make("span", { class: "w" + p[0] }, p.slice(1))));
const plain = (pieces) => words(pieces).textContent;
const put = (cell, text) => { if (cell.textContent !== text) cell.textContent = text; };
const short = (texts) => (texts ? texts.slice(0, 2).join(" to ") : "–");

const unpack = ({ fields, events, ...rest }) =>
  ({ ...rest, events: events.map((row) => Object.fromEntries(row.map((x, i) => [fields[i], x]))) });

export function start(host, story, ask) {
  story = unpack(story);
  const find = (name) => host.querySelector(name);
  const id = (name) => svg.querySelector(`#${story.prefix}-${name}`);
  const [graph, svg, leaves, told, form, list, code, step, levels, modes, speed] = ["div.graph", "div.graph svg",
    ".leaves", ".told", "form", "ol", ".code", ...["step", "level", "mode", "speed"].map((n) => `[name=${n}]`)].map(find);
  const [asked, guess, , verdict] = form.children;
  let level = story.level, mode = story.mode, done = 0, timer = 0, waiting;
  svg.style.colorScheme = "inherit"; // as the page

  // what the drawing lacks

  for (const box of story.nodes.flatMap((node) => node.boxes.map(id))) {
    const x = box.firstChild.getAttribute("width");
    box.append(make(":text", { class: "mark", y: -4 }, "▶"), make(":text", { class: "count", y: -4, x }));
  }
  const tip = find("marker").cloneNode(true);
  tip.id += "-back";
  const back = make(":g", { class: "back", transform: story.shift, "marker-end": `url(#${tip.id})` });
  back.append(tip);
  find(`.${story.prefix}-edges`).after(back);
  const labels = {};
  svg.querySelectorAll(`.${story.prefix}-l text`).forEach((label, i) => { labels[story.labelled[i]] ??= label; });
  const arrows = story.events.map(({ edge, width, formula, local, numbers }) => {
    if (edge == null) return null;
    const d = id("e" + edge).getAttribute("d"), [start, ...rest] = d.match(/[-\d.]+ [-\d.]+/g).reverse();
    const arrow = make(":path", { d: `M${start}C${rest.join(" ")}`, "stroke-width": width });
    back.append(arrow);
    const facts = [formula, local, numbers].map(plain).join("\n");
    svg.append(make(":path", { d, class: "hit" }, make(":title", {}, facts)));
    return arrow;
  });

  // Moving: `done` counts events; steps end at such counts

  const stops = () => story.steps[level];
  const at = () => stops().filter(([stop]) => stop <= done).length;
  const end = (position) => (position > 0 ? stops()[Math.min(position, stops().length) - 1][0] : 0);
  const move = (events) => { done = events; show(); };
  const go = (position) => move(end(position));
  function jump(by) {
    const ends = [0, ...story.steps.op.map(([stop]) => stop)].filter((stop) => (stop - done) * by > 0);
    if (ends.length) move(by > 0 ? ends[0] : ends.pop());
  }
  function set(newLevel, newMode) {
    mode = modes.value = newMode;
    level = levels.value = mode === "predict" ? "edge" : newLevel;
    verdict.textContent = "";
    list.replaceChildren(...stops().map(([stop, title]) =>
      make("li", {}, make("button", { "data-stop": stop }, title))));
    leaves.hidden = mode !== "what-if";
    find("table").classList.toggle("compare", mode === "compare");
    go(at());
  }
  function run(on) {
    clearInterval(timer);
    if (on && done === story.events.length) go(0);
    timer = on && setInterval(() => {
      go(at() + 1);
      if (done === story.events.length) run(false);
    }, speed.value);
    host.classList.toggle("playing", Boolean(on));
  }
  const act = {
    Home: () => go(0),
    End: () => move(story.events.length),
    ArrowLeft: () => go(at() - 1),
    ArrowRight: () => go(at() + 1),
    " ": () => run(!timer),
    "?": () => find(".help").toggleAttribute("hidden"),
    f: () => graph.classList.toggle("fit"),
    p: () => { set(level, mode === "predict" ? "watch" : "predict"); guess.focus(); },
  };
  [...levels.options].forEach(({ value }, i) => { act[i + 1] = () => set(value, mode); });

  function write(box, part, texts = ["–"]) {
    const p = `.${story.prefix}-`;
    const cells = [...box.querySelectorAll(`${p}${part} tspan:not(${p}s), tspan${p}${part}`)];
    cells.reverse().forEach((cell, i) => put(cell, texts[texts.length - 1 - i] || ""));
  }
  function show() {
    const { rows } = find("table"), here = at(), events = story.events.slice(0, done), next = story.events[done];
    const now = events.slice(end(here) === done ? end(here - 1) : done - 1);
    const state = story.nodes.map(({ data }) => ({ data }));
    for (const { kind, node, shown, got, of } of events) {
      state[node][kind === "forward" ? "data" : "grad"] = shown;
      if (of) state[node].count = `${got === of ? "✓ " : ""}${got}/${of}`;
    }
    story.nodes.forEach(({ boxes, of, row }, i) => {
      const { data, grad, count } = state[i], mine = now.some(({ node }) => node === i);
      for (const box of boxes.map(id)) {
        box.classList.toggle("now", mine);
        box.classList.toggle("from", now.some(({ source }) => source === i));
        box.classList.toggle("todo", !data);
        write(box, "d", data);
        write(box, "g", grad);
        put(box.querySelector(".count"), (of > 1 && count) || "");
      }
      if (row === undefined) return;
      [short(data), of === undefined ? "" : short(grad), count, grad && story.differences[i]]
        .forEach((text, k) => put(rows[row + 1].cells[k + 1], text || ""));
    });
    story.events.forEach((event, i) => {
      if (!arrows[i]) return;
      const lit = now.includes(event);
      arrows[i].setAttribute("class", lit ? "lit" : i < done ? "" : "off");
      id("e" + event.edge).classList.toggle("lit", lit);
      const label = labels[event.edge], { slope } = event;
      label?.setAttribute("class", lit ? "lit" : "");
      if (slope) put(label, state[event.source].data ? slope : "×?");
    });
    const [only = {}] = now[1] ? [] : now;
    told.replaceChildren(
      make("h2", {}, here ? stops()[here - 1][1] : "Start: the leaves hold their numbers"),
      ...(now[1] ? now.map(({ formula, numbers }) => words([...formula, "   ", ...(numbers || [])]))
        : [only.kind === "forward" ? [] : only.formula, only.local, only.numbers].map(words)),
      make("small", {}, only.of ? `${only.got} of ${only.of} contribution${only.of > 1 ? "s" : ""} received` : ""));
    form.hidden = mode !== "predict" || !next;
    if (next) asked.textContent = plain(next.formula).replace(/ = [\d.]+$/, "") +
      (next.shape ? ": of which shape?" : " = ?");
    code.replaceChildren(...[story.lines[only.line], story.codes[only.code]].flatMap((pane) =>
      pane ? [make("small", {}, pane[0]), make("pre", {}, pane[1])] : []));
    find("[aria-current]")?.removeAttribute("aria-current");
    const item = list.children[here - 1];
    item?.firstChild.setAttribute("aria-current", "step");
    list.scrollTop = item ? item.offsetTop - list.clientHeight / 2 : 0;
    const [box, seen] = [find(".now") || graph, graph].map((part) => part.getBoundingClientRect());
    graph.scrollBy(box.x - seen.x - seen.width / 2, box.y - seen.y - seen.height / 2);
    step.max = stops().length;
    step.value = here;
    find("output").textContent = `${here} / ${step.max}`;
    if (story.page && location.protocol !== "about:") history.replaceState(null, "", "#step=" + here);
  }

  host.onclick = ({ target }) => {
    const { key, stop } = target.closest("[data-key], [data-stop]")?.dataset || {};
    if (key) act[key]();
    if (stop) move(+stop);
  };
  host.oninput = ({ target }) => {
    clearTimeout(waiting);
    const { leaf } = target.dataset;
    if (target === step) go(+step.value);
    else if (leaf) waiting = setTimeout(ask, 50, { place: +leaf, value: +target.value });
    else if (target === speed) run(timer);
    else if (target !== guess) set(levels.value, modes.value);
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const { wanted, local, numbers, formula } = story.events[done];
    const hint = [local ? plain(local) : "", numbers ? plain(numbers).split(/ = | → /)[0] : plain(formula)];
    const given = (guess.value.replace(/−/g, "-").match(/[-+]?[\d.]+(e[-+]?\d+)?/gi) || []).map(Number);
    const close = (w, i) => Math.abs(given[i] - w) <= story.tolerance * Math.max(Math.abs(w), 0.01);
    const right = given.length === wanted.length && wanted.every(close);
    if (right) go(at() + 1);
    verdict.className = right ? "right" : "wrong";
    verdict.textContent = right ? "✓ " + plain(numbers || formula)
      : `not ${guess.value}; work out ${hint.filter(Boolean).join(", then ")}`;
    guess.value = "";
  };
  host.onkeydown = (event) => {
    const { key, target } = event, by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!act[key] || event.ctrlKey || event.altKey || event.metaKey) return;
    if (target.matches(key === " " ? "button, select, [size]" : "select, [size], [data-leaf]")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey && by) jump(by);
    else act[key]();
  };
  const linked = () => +(location.hash.match(/step=(\d+)/) || [0, story.position])[1];
  const first = linked();
  set(level, mode);
  go(story.page ? first : story.position);
  if (story.page) {
    let seen;
    onhashchange = () => go(linked());
    onbeforeprint = () => (seen = done, act.End());
    onafterprint = () => move(seen);
    host.focus();
  }
  return (fresh) => {
    if (!fresh) return clearInterval(timer);
    story = unpack({ ...story, ...fresh });
    show();
  };
}

export default {
  render({ model, el }) {
    el.innerHTML = model.get("markup");
    const update = start(el.firstChild, model.get("story"), (question) => model.send(question));
    model.on("msg:custom", update);
    return () => update();
  },
};
