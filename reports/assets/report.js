"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const verdicts = ["failed", "passed", "inconclusive", "untested", "inapplicable", "deselected"];
  const marks = {passed: "\u2713", failed: "\u2717", inconclusive: "?", untested: "\u2013", inapplicable: "\u2013", deselected: "\u2013", skipped: "\u2013"};
  const names = {rest: "REST", grpc: "gRPC"};
  const str = i => data.strings[i];

  // What could act on the reader (controls, bidirectional and invisible
  // characters) shows as an escape. Nothing here ever becomes markup: all text
  // goes through textContent.
  const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\p{Cf}\u2028\u2029]/gu;
  const safe = s => String(s).replace(acting, c => {
    const n = c.codePointAt(0);
    return n > 0xffff ? "\\U" + n.toString(16).padStart(8, "0") : "\\u" + n.toString(16).padStart(4, "0");
  });

  function el(tag, attributes, ...children) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    for (const c of children) if (c !== null && c !== undefined) e.append(typeof c === "object" ? c : safe(c));
    return e;
  }
  function svg(tag, attributes, text) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = safe(text);
    return e;
  }
  // prose shows `code` in a text of ours as code.
  const prose = s => s.split("`").map((part, i, all) => i % 2 && i < all.length - 1 ? el("code", {}, part) : part);
  const cut = (s, n) => { const c = Array.from(safe(s)); return c.length > n ? c.slice(0, Math.max(1, n - 1)).join("") + "\u2026" : c.join(""); };
  // ends keeps the method and the end of a request line, where the verb stands.
  const ends = (s, n) => {
    const c = Array.from(safe(s)), head = c.indexOf(" ") + 1;
    return c.length <= n || head > n / 2 ? cut(s, n) : c.slice(0, head).join("") + "\u2026" + c.slice(c.length - n + head + 1).join("");
  };
  const ms = n => (n < 10 ? n.toFixed(1) : Math.round(n)) + " ms";
  const badge = v => el("span", {class: "badge " + v}, marks[v] + " " + v);

  // A <details> whose inside is made when it is first opened.
  function unfold(summary, attributes, build) {
    const d = el("details", attributes, el("summary", {}, ...summary));
    let made = false;
    const make = () => { if (!made) { made = true; const inside = el("div", {class: "inside"}); d.append(inside); build(inside); } };
    d.addEventListener("toggle", () => { if (d.open) make(); });
    d.openNow = () => { make(); d.open = true; };
    return d;
  }

  // JSON is coloured and indented token by token, so that what was sent is
  // shown as it was: duplicate keys and long numbers included.
  function body(text) {
    const pre = el("pre", {});
    if (text === "") { pre.append(el("span", {class: "soft"}, "(no body)")); return pre; }
    const token = /\s+|"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}\[\],:]/gy;
    const out = document.createDocumentFragment();
    let depth = 0, at = 0, last = "";
    const newline = () => out.append("\n" + "  ".repeat(Math.min(depth, 40)));
    for (let m; at < text.length; at = token.lastIndex) {
      token.lastIndex = at;
      if (!(m = token.exec(text))) break;
      const t = m[0];
      if (/^\s/.test(t)) continue;
      if (t === "}" || t === "]") { depth--; if (last !== "{" && last !== "[") newline(); }
      else if (last === "{" || last === "[" || last === ",") newline();
      if (t === "{" || t === "[") depth++;
      let kind = "";
      if (t[0] === "\"") kind = /^\s*:/.test(text.slice(token.lastIndex, token.lastIndex + 20)) ? "k" : "s";
      else if (/^[-\d]/.test(t)) kind = "n";
      else if (/^[tfn]/.test(t)) kind = "w";
      out.append(kind ? el("span", {class: kind}, t) : t === ":" ? ": " : t);
      last = t;
    }
    if (at >= text.length && depth === 0) pre.append(out); else pre.append(safe(text));
    return pre;
  }

  // A call is [at, elapsed, method, transport, more, note, line, headers, body, answer line, headers, body, problem, shown].
  const call = c => ({at: c[0], elapsed: c[1], method: str(c[2]), transport: str(c[3]), more: c[4], note: str(c[5]),
    request: {line: str(c[6]), headers: str(c[7]), body: str(c[8])}, answer: {line: str(c[9]), headers: str(c[10]), body: str(c[11])},
    problem: str(c[12]), index: c[13]});

  function sequence(calls, accused, width) {
    const lanes = [...new Set(calls.map(c => c.transport || "rest"))];
    const shown = calls.slice(0, 60), row = 42, top = 30;
    const height = top + shown.length * row + (calls.length > shown.length ? 24 : 8);
    const s = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `Sequence of ${calls.length} calls; the list below tells the same`});
    const left = 70, step = (width - left - 30) / lanes.length, x = t => left + step * (lanes.indexOf(t || "rest") + 1);
    s.append(svg("text", {x: left, y: 14, "text-anchor": "middle"}, "conform"), svg("line", {class: "life", x1: left, x2: left, y1: 20, y2: height}));
    for (const t of lanes) s.append(svg("text", {x: Math.min(x(t), width - 32), y: 14, "text-anchor": "middle"}, names[t] || t), svg("line", {class: "life", x1: x(t), x2: x(t), y1: 20, y2: height}));
    shown.forEach((c, i) => {
      const y = top + i * row + 14, to = x(c.transport), bad = accused.has(c.index) ? " bad" : "", room = Math.floor((to - left - 12) / 7.3);
      s.append(svg("text", {class: "time", x: left - 8, y: y + 4, "text-anchor": "end"}, ms(c.at)));
      s.append(svg("line", {class: "arrow" + bad, x1: left, x2: to - 6, y1: y, y2: y}), svg("path", {class: "head" + bad, d: `M${to} ${y}l-7 -4v8z`}));
      s.append(svg("text", {class: bad, x: left + 6, y: y - 4}, ends(c.request.line, room)));
      const yb = y + 18, answer = c.problem ? "no answer: " + c.problem : c.answer.line + (c.more ? ` (and ${c.more} times more)` : "");
      if (!c.problem) s.append(svg("line", {class: "arrow back" + bad, x1: left + 6, x2: to, y1: yb, y2: yb}), svg("path", {class: "head" + bad, d: `M${left} ${yb}l7 -4v8z`}));
      s.append(svg("text", {class: bad, x: left + 12, y: yb - 4}, cut(answer, room)));
    });
    if (calls.length > shown.length) s.append(svg("text", {x: left + 6, y: height - 8}, `\u2026 ${calls.length - shown.length} more below`));
    return s;
  }

  function message(title, m) {
    return [el("h4", {}, title), el("pre", {}, m.line + (m.headers ? "\n" + m.headers : "")), body(m.body)];
  }

  function showCalls(inside, c) {
    const calls = c.calls.map(call);
    if (!calls.length) { if (c.left) inside.append(el("p", {class: "soft"}, "The calls of this case are in the JSON report.")); return; }
    const accused = new Set(c.breaches.map(b => b.exchange));
    inside.append(el("h4", {}, "Calls"));
    const room = el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Sequence diagram"});
    inside.append(room);
    room.append(sequence(calls, accused, Math.max(300, Math.min(room.clientWidth || 800, 900))));
    for (const k of calls) {
      const more = k.more ? ` (and ${k.more} times more, the same)` : "";
      const line = `${k.index + 1}. ${ms(k.at)}  ${cut(k.request.line, 160)} \u2192 ${k.problem ? "no answer: " + cut(k.problem, 160) : cut(k.answer.line, 80)} (${ms(k.elapsed)})${more}`;
      inside.append(unfold([el("span", {class: "call"}, line)], accused.has(k.index) ? {class: "accused"} : {}, d => {
        if (k.note) d.append(el("p", {}, k.note));
        d.append(...message("Sent", k.request));
        if (k.problem) d.append(el("p", {}, "No answer: " + k.problem)); else d.append(...message("Answered", k.answer));
      }));
    }
  }

  const scrolled = (label, ...children) => el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": label}, ...children);

  function finding(b) {
    const box = el("div", {class: "finding"}, el("p", {}, b.message)), list = el("dl", {});
    for (const [k, v] of [["expected", b.expected], ["actual", b.actual], ["at", b.pointer], ["in call", b.exchange >= 0 ? b.exchange + 1 : ""]])
      if (v) list.append(el("div", {}, el("dt", {}, k), el("dd", {}, el("code", {}, v))));
    box.append(list);
    return box;
  }

  function showCase(inside, c, id) {
    inside.append(el("p", {class: "soft"}, el("code", {}, c.id), ` ${c.file}:${c.line}`));
    if (c.reason) inside.append(el("p", {}, c.reason));
    const steps = el("ol", {class: "steps"});
    for (const s of c.steps) {
      const status = str(s[2]);
      const li = el("li", {class: status}, el("span", {class: "mark"}, marks[status] || "?"), el("span", {}, `${str(s[0]).trim()} ${str(s[1])}`), status === "failed" ? " (failed)" : "");
      steps.append(li);
      if (status === "failed" && str(s[3])) steps.append(el("li", {}, el("pre", {}, str(s[3]))));
    }
    inside.append(steps);
    for (const b of c.breaches) if (b.requirement === id) inside.append(finding(b));
    const others = c.breaches.filter(b => b.requirement !== id).map(b => b.requirement);
    if (others.length) inside.append(el("p", {}, "This case also accuses: " + [...new Set(others)].join(", ")));
    showCalls(inside, c);
    if (c.repeat) inside.append(unfold([el("span", {}, "Repeat by hand, with curl and grpcurl")], {}, d => d.append(scrolled("Shell script", el("pre", {}, c.repeat)))));
  }

  function showRequirement(inside, q) {
    if (q.reason) inside.append(el("p", {}, el("strong", {}, "Reason: "), q.reason));
    for (const [t, why] of Object.entries(q.reasons || {})) if (why !== q.reason) inside.append(el("p", {}, el("strong", {}, names[t] + ": "), why));
    for (const why of q.excuses || []) inside.append(el("p", {}, el("strong", {}, "Known: "), why));
    if (q.cause) inside.append(el("p", {}, el("strong", {}, "Likely cause: "), ...prose(q.cause)));
    if (q.again) inside.append(el("p", {}, el("strong", {}, "Judged again: "), q.again));
    if (q.repeat) inside.append(el("p", {}, el("strong", {}, "Repeat it with")), scrolled("Commands", el("pre", {}, q.repeat.join("\n"))));
    if (q.observed) inside.append(el("p", {}, el("strong", {}, "Seen: "), q.observed));
    if (q.notes.length) inside.append(el("p", {}, el("strong", {}, "Worth knowing")), el("ul", {}, ...q.notes.map(n => el("li", {}, n))));
    if (q.sources.length) inside.append(el("p", {}, el("strong", {}, "Sources")), el("ul", {}, ...q.sources.map(s => el("li", {}, ...prose(s)))));
    if (!q.cases.length) inside.append(el("p", {class: "soft"}, "No case of its own; it is judged on what other cases see."));
    let opened = false;
    for (const i of q.cases) {
      const c = data.cases[i];
      const accuses = c.verdict === "failed" && c.requirement === q.id || c.breaches.some(b => b.requirement === q.id);
      const d = unfold([badge(accuses ? "failed" : c.verdict), el("span", {class: "level"}, names[c.transport] || c.transport), el("span", {}, c.scenario)], {}, x => showCase(x, c, q.id));
      inside.append(d);
      if (accuses && !opened) { opened = true; d.openNow(); }
    }
  }

  const host = document.getElementById("requirements"), rows = [];
  let group = null, section = null;
  for (const q of data.requirements) {
    if (q.group !== group) {
      group = q.group;
      section = el("section", {}, el("h3", {}, group));
      host.append(section);
    }
    const where = Object.entries(q.transports).map(([t, v]) => `${names[t]} ${v}`).join(", ");
    const d = unfold([badge(q.verdict), el("span", {class: "id"}, q.id), el("span", {class: "level"}, q.level + (q.known ? ", known" : "")), el("span", {class: "level"}, where), el("span", {class: "what"}, ...prose(q.statement))],
      {id: "r-" + q.id}, inside => showRequirement(inside, q));
    section.append(d);
    rows.push({q, d, section, text: [q.id, q.statement, q.reason, q.observed, ...q.notes].join(" ").toLowerCase()});
  }

  function choices(id, values, label) {
    const set = document.getElementById(id);
    for (const v of values) set.append(el("label", {}, el("input", {type: "checkbox", value: v, checked: ""}), label(v)));
    return () => new Set([...set.querySelectorAll("input:checked")].map(i => i.value));
  }
  const count = v => data.requirements.filter(q => q.verdict === v).length;
  const verdictsOn = choices("verdicts", verdicts.filter(count), v => `${v} (${count(v)})`);
  const levelsOn = choices("levels", ["MUST", "SHOULD", "MAY", "INFO"], v => v);
  const transportsOn = choices("transports", ["rest", "grpc"], v => names[v]);
  const text = document.getElementById("text"), form = document.getElementById("filters");

  function filter() {
    const v = verdictsOn(), l = levelsOn(), t = transportsOn(), words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const used = new Map();
    let n = 0;
    for (const r of rows) {
      const on = Object.keys(r.q.transports);
      const show = v.has(r.q.verdict) && l.has(r.q.level) && (t.size === 2 || on.some(x => t.has(x))) && words.every(w => r.text.includes(w));
      r.d.hidden = !show;
      if (show) { n++; used.set(r.section, true); }
    }
    for (const r of rows) r.section.hidden = !used.has(r.section);
    document.getElementById("shown").textContent = `${n} of ${rows.length} requirements`;
  }
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", e => e.preventDefault());
  document.addEventListener("keydown", e => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && document.activeElement !== text) { e.preventDefault(); text.focus(); }
  });
  function follow() {
    const d = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (d && d.openNow) { d.hidden = false; d.openNow(); d.scrollIntoView(); }
  }
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => { for (const r of rows) if (r.q.verdict === "failed" && !r.d.hidden) r.d.openNow(); });
  filter();
  follow();
})();
