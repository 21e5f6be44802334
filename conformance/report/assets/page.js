"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const GRAVITY = "ctdxwkuo";
  const BAD = "ctdxw";
  const MARKS = { o: "✓", k: "~", u: "–", d: "✗", c: "!!", t: "…", x: "!", w: "?" };
  const LABELS = Object.fromEntries(data.verdicts.map(([letter, label]) => [letter, label]));
  const BATCH = 100;
  const MOST_SHOWN = 8;
  const number = new Intl.NumberFormat("en");
  const state = { q: "", layer: "", argument: "", implementation: "", verdict: "", clause: "", of: "", case: "", list: "" };
  const FILTERS = { q: "q", layer: "layer", argument: "argument", implementation: "implementation", verdict: "verdicts" };

  /** An element with attributes and children; text is always text. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const plural = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;
  const name = (index) => data.implementations[index].name;
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const ENDLESS = 1e299;
  const short = (text) => text.split(/[\\/]/).pop() || text;
  const layerOf = (descriptor) => descriptor.split("/", 1)[0];

  function tag(letter) {
    return make("span", { class: `tag v-${letter}` }, make("span", { class: "mark", "aria-hidden": "true" }, MARKS[letter]), ` ${LABELS[letter]}`);
  }

  /** The command that repeats a judgement, quoted as a shell wants it. */
  function command(caseIndex, implementation) {
    const texts = data.implementations[implementation].texts[caseIndex];
    const given = texts ? data.messages[texts[2]] : "";
    if (given) return given;
    const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
    return `conformance run --implementation ${quoted(name(implementation))} --case ${quoted(data.cases[caseIndex])}`;
  }

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea");
      area.value = text;
      (button.closest("dialog") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  }

  function commandLine(text) {
    const button = make("button", { type: "button", class: "small" }, "Copy");
    button.addEventListener("click", () => copy(text, button));
    return make("div", { class: "command" }, make("pre", {}, text), button);
  }

  // The head of the page

  function head() {
    $("verdict").textContent = data.verdict;
    $("verdict").classList.add(data.accepted ? "good" : "bad");
    $("notes").append(...data.notes.map((note) => make("li", {}, `⚠ ${note}`)));
    $("cards").append(...data.implementations.map(card));
    group("wrong", "causes", data.causes, true);
    group("readings", "followed", data.readings, false);
    group("known", "records", data.known, false);
    $("legend").append(...data.verdicts.map(([letter]) => tag(letter)));
    $("about").append(...data.runs.map(about));
  }

  function card(implementation) {
    const counts = {};
    for (const letter of implementation.verdicts) counts[letter] = (counts[letter] || 0) + 1;
    delete counts["."];
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const shown = data.verdicts.map(([letter]) => letter).filter((letter) => counts[letter]);
    const bar = make("div", { class: "stack", "aria-hidden": "true" });
    for (const letter of shown) {
      const kind = BAD.includes(letter) ? "bad" : { o: "ok", k: "known", u: "none" }[letter];
      bar.append(make("span", { style: `flex:${counts[letter] / total};background:var(--${kind}-bar)` }));
    }
    return make("article", { class: "card" }, make("h3", {}, implementation.name), make("p", {}, implementation.version || "no version given"), ...(implementation.machine ? [make("p", { class: "machine" }, `ran on ${implementation.machine}`)] : []), bar, make("p", {}, implementation.counts), ...distribution(implementation));
  }

  /** How the errors are distributed, in units of the bound; bars on a logarithmic scale. */
  function distribution(implementation) {
    const LOW = -12, HIGH = 4;
    const bins = new Array(HIGH - LOW + 1).fill(0);
    const ratios = implementation.ratios.filter((ratio) => ratio >= 0).sort((a, b) => a - b);
    if (!ratios.length) return [];
    let exact = 0;
    for (const ratio of ratios) {
      if (ratio === 0) exact += 1;
      else bins[Math.min(Math.max(Math.floor(Math.log2(ratio)), LOW), HIGH) - LOW] += 1;
    }
    const most = Math.log1p(Math.max(exact, ...bins));
    const height = (count) => `height:${count ? Math.max(4, (100 * Math.log1p(count)) / most) : 0}%`;
    const bars = make("div", { class: "bars", role: "img" });
    bars.append(make("span", { class: "zero", style: height(exact), title: `${plural(exact, "case")} without any error` }));
    bins.forEach((count, index) => {
      const from = 2 ** (index + LOW);
      const range = `${from.toPrecision(2)} to ${(2 * from).toPrecision(2)} bounds: ${plural(count, "case")}`;
      bars.append(make("span", { class: from >= 1 ? "over" : null, style: height(count), title: range }));
    });
    const inexact = ratios.filter((ratio) => ratio > 0 && ratio < ENDLESS);
    const endless = ratios.length - exact - inexact.length;
    const size = (ratio) => (ratio < 1000 ? String(Number(ratio.toPrecision(2))) : ratio < 1e7 ? number.format(Number(ratio.toPrecision(2))) : ratio.toExponential(1).replace("e+", "e"));
    const beyond = endless ? `; ${number.format(endless)} off where no error is allowed` : "";
    const at = (share) => inexact[Math.min(inexact.length - 1, Math.floor(share * inexact.length))];
    const words = inexact.length
      ? `Error in units of the bound: ${number.format(exact)} exact; of ${number.format(inexact.length)} others, median ${size(at(0.5))}, largest ${size(at(1))}${beyond}`
      : `${number.format(exact)} measured outputs are exact${beyond}`;
    bars.setAttribute("aria-label", words);
    const EXACT = 1.6; // the width of the first bar, as in the style sheet
    const left = (power) => `left:${(100 * (EXACT + power - LOW)) / (EXACT + bins.length)}%`;
    const axis = make("div", { class: "axis", "aria-hidden": "true" }, make("span", { class: "first" }, "exact"), make("span", { style: left(-10) }, "0.001"), make("span", { style: left(-5) }, "0.03"), make("span", { style: left(0) }, "1 bound"));
    return [bars, axis, make("p", {}, words)];
  }

  function group(section, list, groups, withCommand) {
    if (!groups.length) return;
    $(section).hidden = false;
    for (const one of groups) {
      const open = make("button", { type: "button", class: "link", onclick: () => go({ list: `${section}:${groups.indexOf(one)}`, clause: "", of: "", case: "" }) }, plural(one.cases.length, "case"));
      const item = make("li", {}, make("p", { class: "head" }, withCommand ? capital(one.words) : one.words), make("p", {}, open, ` of ${name(one.implementation)}${one.told && one.told !== one.words ? `: ${one.told}` : ""}`));
      if (withCommand) item.append(commandLine(one.command));
      $(list).append(item);
    }
    const items = [...$(list).children].slice(MOST_SHOWN);
    if (items.length < 2) return;
    const more = make("button", { type: "button", onclick: () => { for (const item of items) item.hidden = false; more.remove(); items[0].querySelector("button").focus(); } }, `Show ${number.format(items.length)} more`);
    for (const item of items) item.hidden = true;
    $(list).after(more);
  }

  function about(run) {
    const rows = { "Suite": run.suite_version, "Grid": run.grid || "single cases", "Started": run.started, "Platform": run.platform, "Python": run.python, "Clauses, SHA-256": run.spec_sha256 };
    const list = make("dl");
    for (const [term, text] of Object.entries(rows)) if (text) list.append(make("dt", {}, term), make("dd", {}, text));
    for (const [who, text] of Object.entries(run.machine || {})) if (text) list.append(make("dt", {}, short(who)), make("dd", {}, text));
    return list;
  }

  // Filters

  function passes() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const argument = state.argument && `/${state.argument}${state.argument.includes(":") ? "/" : ":"}`;
    return data.cases.map((descriptor) => {
      if (state.layer && layerOf(descriptor) !== state.layer) return false;
      if (argument && !`${descriptor}/`.includes(argument)) return false;
      if (!words.length) return true;
      const lower = descriptor.toLowerCase();
      return words.every((word) => lower.includes(word));
    });
  }

  const verdictPasses = (letter) => letter !== "." && (!state.verdict || state.verdict === letter || (state.verdict === "bad" && BAD.includes(letter)));
  const shownImplementations = () => data.implementations.map((_, index) => index).filter((index) => !state.implementation || name(index) === state.implementation);

  function fill(select, options) {
    for (const [value, label] of options) select.append(make("option", { value }, label));
  }

  function controls() {
    const layers = new Set(data.cases.map(layerOf));
    fill($("layer"), [...layers].sort().map((layer) => [layer, layer]));
    fill($("implementation"), data.implementations.map((one) => [one.name, one.name]));
    const met = new Set(data.implementations.flatMap((one) => [...new Set(one.verdicts)]));
    fill($("verdicts"), [["bad", "anything wrong"], ...data.verdicts.filter(([letter]) => met.has(letter)).map(([letter, label]) => [letter, label])]);
    setTimeout(argumentOptions, 50);
    for (const [key, id] of Object.entries(FILTERS)) {
      $(id).addEventListener(key === "q" ? "input" : "change", () => { state[key] = $(id).value; write(); soon(); });
    }
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("filters").addEventListener("reset", () => { for (const key of Object.keys(FILTERS)) state[key] = ""; write(); soon(); });
    $("all").addEventListener("click", () => go({ list: "all", clause: "", of: "", case: "" }));
  }

  /** Every argument with its commonest values. */
  function argumentOptions() {
    if ($("argument").options.length > 1) return;
    const found = new Map();
    for (const descriptor of data.cases) {
      for (const part of descriptor.split("/").slice(1)) {
        const argument = part.slice(0, part.indexOf(":"));
        if (argument === "inputs" || argument === "seed") continue;
        if (!found.has(argument)) found.set(argument, new Map());
        const values = found.get(argument);
        values.set(part, (values.get(part) || 0) + 1);
      }
    }
    for (const [argument, values] of [...found].sort()) {
      const options = make("optgroup", { label: argument });
      fill(options, [[argument, `${argument}, any`]]);
      const most = [...values].sort((a, b) => b[1] - a[1]).slice(0, 14);
      fill(options, most.map(([part, count]) => [part, `${part.slice(0, 40)} (${count})`]));
      $("argument").append(options);
    }
  }

  let pending = 0;
  function soon() {
    clearTimeout(pending);
    pending = setTimeout(matrix, 60);
  }

  // The matrix

  function counted() {
    const fits = passes();
    const shown = shownImplementations();
    const bySet = data.sets.map(() => new Map());
    let cases = 0, results = 0;
    for (let index = 0; index < fits.length; index += 1) {
      if (!fits[index]) continue;
      let any = false;
      for (const implementation of shown) {
        const letter = data.implementations[implementation].verdicts[index];
        if (!verdictPasses(letter)) continue;
        const key = implementation + letter;
        const counts = bySet[data.setOf[index]];
        counts.set(key, (counts.get(key) || 0) + 1);
        any = true;
        results += 1;
      }
      cases += any;
    }
    const byClause = data.clauses.map(() => new Map());
    bySet.forEach((counts, set) => {
      if (!counts.size) return;
      for (const clause of data.sets[set]) for (const [key, count] of counts) byClause[clause].set(key, (byClause[clause].get(key) || 0) + count);
    });
    return { byClause, cases, results, shown };
  }

  function matrix() {
    const { byClause, cases, results, shown } = counted();
    const top = make("tr", {}, make("th", { scope: "col" }, "Clause"));
    for (const implementation of shown) top.append(make("th", { scope: "col", title: name(implementation) }, make("span", {}, `\u200e${name(implementation)}`)));
    const body = document.createDocumentFragment();
    let section = "", rows = 0;
    data.clauses.forEach((clause, index) => {
      if (!byClause[index].size) return;
      const [own] = clause.id.split(".", 1);
      if (own !== section) {
        section = own;
        body.append(make("tr", { class: "section" }, make("th", { colspan: shown.length + 1, scope: "rowgroup" }, sectionName(clause, own))));
      }
      const row = make("tr", {}, make("th", { scope: "row", title: clause.text }, ...breakable(clause.id)));
      for (const implementation of shown) row.append(make("td", {}, cell(index, implementation, byClause[index])));
      body.append(row);
      rows += 1;
    });
    const table = document.querySelector("table.matrix");
    table.tHead.replaceChildren(top);
    table.tBodies[0].replaceChildren(body);
    $("status").textContent = `${plural(results, "result")} of ${plural(cases, "case")}, ${plural(rows, "clause")}`;
  }

  /** Text that may be broken behind dots and hyphens. */
  const breakable = (text) => text.split(/(?<=[.-])/).flatMap((part, index) => (index ? [make("wbr"), part] : [part]));

  const sectionName = (clause, own) => (clause.source ? clause.source.split(",", 1)[0].replace(/\b\d+ /g, "") : own);

  function cell(clause, implementation, counts) {
    const own = {};
    let total = 0;
    for (const letter of GRAVITY) {
      const count = counts.get(implementation + letter);
      if (count) { own[letter] = count; total += count; }
    }
    if (!total) return "";
    const wrong = [...BAD].reduce((sum, letter) => sum + (own[letter] || 0), 0);
    const grave = wrong ? [...BAD].find((letter) => own[letter]) : own.k ? "k" : own.o ? "o" : "u";
    const counted = wrong || own[grave];
    const words = data.verdicts.filter(([letter]) => own[letter]).map(([letter, label]) => `${own[letter]} ${label}`).join(", ");
    const id = data.clauses[clause].id;
    return make("button", { type: "button", class: `cell v-${grave}`, title: words, "aria-label": `${id}, ${name(implementation)}: ${words}`, onclick: () => go({ clause: id, of: name(implementation), case: "", list: "" }) },
      make("b", { class: "mark", "aria-hidden": "true" }, MARKS[grave]), make("span", { "aria-hidden": "true" }, counted === total ? number.format(total) : `${number.format(counted)} / ${number.format(total)}`));
  }

  function arrows(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const from = event.target.closest("td");
    if (!step || !from) return;
    event.preventDefault();
    let row = from.parentElement;
    do { row = step[0] < 0 ? row.previousElementSibling : step[0] > 0 ? row.nextElementSibling : row; } while (step[0] && row && row.cells.length <= from.cellIndex);
    const to = row && row.cells[from.cellIndex + step[1]];
    const button = to && to.querySelector("button");
    if (button) button.focus();
  }

  // The panel: a clause, its cases, each with what is known of it

  function chosen() {
    if (state.list && state.list !== "all") {
      const [section, index] = state.list.split(":");
      const one = ({ wrong: data.causes, readings: data.readings, known: data.known }[section] || [])[Number(index)];
      return one ? { title: capital(one.words), entries: one.cases.map((index) => [index, one.implementation]) } : null;
    }
    const of = data.implementations.findIndex((one) => one.name === state.of);
    if (state.list === "all") return { title: "Cases", entries: entries(shownImplementations(), null) };
    const clause = data.clauses.findIndex((one) => one.id === state.clause);
    if (clause >= 0) return { title: state.of ? `${state.clause} in ${state.of}` : state.clause, clause, entries: entries(of >= 0 ? [of] : shownImplementations(), clause) };
    const index = data.cases.indexOf(state.case);
    if (index >= 0) return { title: state.case, entries: data.implementations.map((_, i) => [index, i]).filter(([c, i]) => (of < 0 || i === of) && data.implementations[i].verdicts[c] !== ".") };
    return null;
  }

  /** The results that pass the filters, of a clause if one is given, the gravest first. */
  function entries(implementations, clause) {
    const fits = passes();
    const inSet = clause === null ? null : data.sets.map((set) => set.includes(clause));
    const found = [...GRAVITY].map(() => []);
    for (let index = 0; index < fits.length; index += 1) {
      if (!fits[index] || (inSet && !inSet[data.setOf[index]])) continue;
      for (const implementation of implementations) {
        const letter = data.implementations[implementation].verdicts[index];
        if (verdictPasses(letter)) found[GRAVITY.indexOf(letter)].push([index, implementation]);
      }
    }
    return found.flat();
  }

  let watcher = null;
  function panel() {
    const dialog = $("panel");
    const what = chosen();
    if (!what) { if (dialog.open) dialog.close(); return; }
    $("panel-title").textContent = what.title;
    const body = $("panel-body");
    body.replaceChildren();
    if (what.clause !== undefined) body.append(clauseBox(data.clauses[what.clause]));
    body.append(make("p", { class: "status" }, plural(what.entries.length, "result")));
    list(body, what.entries);
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
    reveal(body);
  }

  /** A list that grows as one scrolls. */
  function list(body, all) {
    const holder = make("div");
    const end = make("div", { class: "more" });
    let next = 0;
    const several = new Set(all.map(([, implementation]) => implementation)).size > 1;
    const grow = () => {
      const part = all.slice(next, next + BATCH);
      next += part.length;
      holder.append(...part.map(([index, implementation]) => caseBox(index, implementation, several)));
      end.textContent = next < all.length ? `${number.format(all.length - next)} more` : "";
    };
    const wanted = all.findIndex(([index]) => data.cases[index] === state.case);
    do grow(); while (next <= wanted);
    body.append(holder, end);
    if (watcher) watcher.disconnect();
    watcher = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && next < all.length) grow(); }, { root: body, rootMargin: "600px" });
    watcher.observe(end);
  }

  function reveal(body) {
    if (!state.case) return;
    const index = data.cases.indexOf(state.case);
    const box = [...body.querySelectorAll(".case")].find((one) => Number(one.dataset.case) === index && (!state.of || name(Number(one.dataset.implementation)) === state.of));
    if (box) { box.open = true; box.scrollIntoView({ block: "start" }); box.firstElementChild.focus({ preventScroll: true }); }
  }

  function clauseBox(clause) {
    const rows = { "Source": clause.source, "Standing": standing(clause), "Condition": clause.condition, "Reading": clause.reading, "Why": clause.why, "Since": clause.since, "Now": clause.now, "Selected by": clause.selection };
    const listing = make("dl");
    for (const [term, text] of Object.entries(rows)) if (text) listing.append(make("dt", {}, term), make("dd", {}, text));
    return make("div", { class: "clause" }, make("p", {}, clause.text || "This suite does not know the clause."), listing);
  }

  const standing = (clause) => (clause.standing ? `${clause.standing}: ${data.standings[clause.standing]}` : "");

  function caseBox(index, implementation, several) {
    const letter = data.implementations[implementation].verdicts[index];
    const summary = make("summary", {}, tag(letter), make("code", {}, data.cases[index]), several ? make("span", { class: "who" }, short(name(implementation))) : null);
    const box = make("details", { class: "case", "data-case": index, "data-implementation": implementation }, summary);
    box.addEventListener("toggle", () => {
      if (box.open && box.children.length === 1) box.append(inside(index, implementation));
      if (box.open && state.case !== data.cases[index]) { state.case = data.cases[index]; if (!state.list && !state.clause) state.of = name(implementation); write(); }
    });
    return box;
  }

  function inside(index, implementation) {
    const own = data.implementations[implementation];
    const texts = (own.texts[index] || [null, null, null]).map((text) => (text === null ? "" : data.messages[text]));
    const box = make("div", { class: "inside" });
    if (texts[0]) box.append(make("h3", {}, "What was found"), make("div", { class: "message" }, texts[0]));
    if (texts[1]) box.append(make("h3", {}, own.verdicts[index] === "k" ? "Record" : "What explains it"), make("div", {}, own.verdicts[index] === "k" ? texts[1] : capital(texts[1])));
    box.append(make("h3", {}, "To repeat it"), commandLine(command(index, implementation)));
    const picture = own.pictures[index];
    if (picture) box.append(drawing(picture));
    const facts = [];
    if (own.ratios[index] >= 0 && own.ratios[index] < ENDLESS) facts.push(`error ${own.ratios[index]} of the bound`);
    if (own.seconds.length) facts.push(`${own.seconds[index]} s`);
    const ids = data.sets[data.setOf[index]].map((clause) => data.clauses[clause].id);
    box.append(make("p", { class: "clauses-of" }, [...facts, `clauses: ${ids.join(", ")}`].join("; ")));
    return box;
  }

  // The picture of the operation

  const WIDE = 47, HIGH = 17;
  const svg = (tagName, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tagName);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const label = (value) => (typeof value === "string" ? value : value === 0 ? "0" : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(1).replace("e+", "e") : String(Number(value.toPrecision(4))));

  function drawing(picture) {
    const maps = make("div", { class: "maps" });
    const at = picture.at;
    const isAt = (row, column) => row === at[0] && column === at[1];
    if (picture.input) {
      const inField = (row, column) => picture.field[0].includes(row) && picture.field[1].includes(column);
      maps.append(map(`Input, sample ${picture.sample}, channel ${picture.channel}; outlined: what the ${picture.worst ? "worst" : "marked"} output reads`, picture.input, inField, signed, true));
    }
    const where = picture.input ? `, channel ${picture.filter}` : "";
    maps.append(map(`Expected${where}`, picture.expected, isAt, signed));
    if (picture.actual) maps.append(map("What came", picture.actual, isAt, signed));
    if (picture.error && picture.error.values.flat().some((value) => value !== 0 && value !== "inf")) {
      maps.append(map("Error in units of the bound", picture.error, isAt, bounds));
    } else if (picture.actual) {
      maps.append(map(picture.error ? "Difference; no error is allowed" : "Difference", difference(picture), isAt, signed));
    }
    const which = picture.worst ? "worst element" : "element";
    const title = `${picture.of ? `The ${picture.of}` : "The output"} around the ${which} [${picture.place.join(", ")}]`;
    const missing = picture.worst && !picture.actual ? "What came is shown in the page that the run itself writes (conformance run --html)." : null;
    return make("div", {}, make("h3", {}, title), maps, missing && make("p", { class: "clauses-of" }, missing));
  }

  function difference(picture) {
    const values = picture.expected.values.map((row, i) => row.map((value, j) => {
      const other = picture.actual.values[i][j];
      return typeof value === "number" && typeof other === "number" ? other - value : value === other ? 0 : "≠";
    }));
    return { ...picture.expected, values };
  }

  function largest(values) {
    return Math.max(1e-300, ...values.flat().filter((value) => typeof value === "number").map(Math.abs));
  }

  function signed(values) {
    const most = largest(values);
    return (value) => {
      if (typeof value === "string") return ["#c44ccf", 0.55];
      return [value < 0 ? "#3b82d6" : "#e0862b", 0.06 + 0.6 * Math.min(1, Math.abs(value) / most)];
    };
  }

  function bounds() {
    return (value) => {
      const wrong = typeof value === "string" || value > 1;
      if (wrong) return ["#d2402f", typeof value === "string" ? 0.75 : Math.min(0.8, 0.35 + 0.12 * Math.log10(value))];
      return ["#4aa564", 0.08 + 0.4 * value];
    };
  }

  /** A heat map with its numbers; cells that stand out are outlined, padding is hatched. */
  function map(caption, part, outlined, scale, isInput = false) {
    const [top, left] = part.origin;
    const [height, width] = part.size;
    const rows = part.values.length, columns = part.values[0].length;
    const inside = (row, column) => row >= 0 && row < height && column >= 0 && column < width;
    const colour = scale(part.values.map((row, i) => row.filter((_, j) => !isInput || inside(top + i, left + j))));
    const spoken = [];
    const drawn = svg("svg", { width: columns * WIDE + 2, height: rows * HIGH + 2, role: "img" });
    const over = [];
    part.values.forEach((line, i) => line.forEach((value, j) => {
      const row = top + i, column = left + j;
      const padding = isInput && !inside(row, column);
      const [fill, opacity] = padding ? ["currentColor", 0.13] : colour(value);
      const box = { x: j * WIDE + 1, y: i * HIGH + 1, width: WIDE, height: HIGH };
      const text = padding ? "pad" : label(value);
      drawn.append(svg("rect", { ...box, fill, "fill-opacity": opacity, stroke: "currentColor", "stroke-opacity": 0.15, "stroke-dasharray": padding ? "2 2" : "none" }, svg("title", {}, `[${rows === 1 && height === 1 ? column : `${row}, ${column}`}] ${padding ? "padding" : value}`)));
      drawn.append(svg("text", { x: box.x + WIDE / 2, y: box.y + HIGH - 5, fill: "currentColor", "fill-opacity": padding ? 0.55 : 1, "pointer-events": "none" }, text));
      if (outlined(row, column)) {
        over.push(svg("rect", { ...box, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
        if (spoken.length < 12) spoken.push(text);
      }
    }));
    drawn.append(...over);
    drawn.setAttribute("aria-label", `${caption}: ${spoken.join(", ")}`);
    const cropped = rows * columns < height * width ? ` (part of ${height === 1 ? width : `${height} by ${width}`})` : "";
    return make("figure", {}, make("figcaption", {}, `${caption}${cropped}`), make("div", { class: "wide" }, drawn));
  }

  // State and address

  function write() {
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) if (value) parameters.set(key, value);
    const text = parameters.toString();
    history.replaceState(null, "", text ? `#${text}` : `${location.pathname}${location.search}`);
  }

  function read() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(state)) state[key] = parameters.get(key) || "";
    if (state.argument) argumentOptions();
    for (const [key, id] of Object.entries(FILTERS)) {
      $(id).value = state[key];
      if ($(id).value !== state[key]) state[key] = "";
    }
  }

  function go(changes) {
    Object.assign(state, changes);
    write();
    panel();
  }

  function follow() {
    read();
    matrix();
    panel();
  }

  function theme() {
    const root = document.documentElement;
    const keep = (value) => { try { localStorage.setItem("theme", value); } catch { /* storage is off */ } };
    try { const kept = localStorage.getItem("theme"); if (kept) root.dataset.theme = kept; } catch { /* storage is off */ }
    $("theme").addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      keep(root.dataset.theme);
    });
  }

  theme();
  head();
  controls();
  follow();
  window.addEventListener("hashchange", follow);
  document.querySelector(".matrix").addEventListener("keydown", arrows);
  $("close").addEventListener("click", () => $("panel").close());
  $("panel").addEventListener("click", (event) => { if (event.target === $("panel")) $("panel").close(); });
  $("panel").addEventListener("close", () => { Object.assign(state, { clause: "", of: "", case: "", list: "" }); write(); });
  $("share").addEventListener("click", () => copy(location.href, $("share")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !$("panel").open && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); $("q").focus(); }
  });
  document.documentElement.dataset.ready = "true";
})();
