"use strict";
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const FIRST = 50;
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = [...table.tBodies[0].rows];
  const form = document.querySelector("form.filters");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const dialog = document.getElementById("details");
  const names = ["stack", "service", "outcome", "q"];
  let all = false;
  let cameFrom = null;

  // Texts of records reach the document through textContent only, so that none is ever markup.
  const element = (name, text, ...classes) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (classes.length) made.classList.add(...classes);
    return made;
  };
  const searched = data.releases.map((release) => {
    const services = Object.entries(release.services);
    const words = services.flatMap(([name, service]) => [name, service.model, service.image, service.pin ? "pinned " + service.pin.reason : ""]);
    return [release.id, release.stack, release.outcome, release.by, release.approved_by, release.commit, release.reason, release.pull_request, ...words].join(" ").toLowerCase();
  });

  const filters = () => Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]).filter(([, value]) => value));
  const query = () => new URLSearchParams(filters()).toString();
  const matches = (index, wanted) => {
    const release = data.releases[index];
    return (!wanted.stack || release.stack === wanted.stack)
      && (!wanted.outcome || release.outcome === wanted.outcome)
      && (!wanted.service || wanted.service in release.services)
      && (!wanted.q || wanted.q.toLowerCase().split(/\s+/).every((word) => searched[index].includes(word)));
  };
  const show = () => {
    const wanted = filters();
    let found = 0;
    rows.forEach((row, index) => {
      const fits = matches(index, wanted);
      row.hidden = !fits || (!all && found >= FIRST);
      found += fits;
    });
    const shown = all ? found : Math.min(found, FIRST);
    count.textContent = found === rows.length && shown === found ? `${found} releases` : `${shown} of ${found} releases` + (found < rows.length ? `, ${rows.length} in all` : "");
    more.hidden = shown === found;
    more.textContent = `Show all ${found}`;
  };

  const listed = (pairs) => {
    const list = element("dl");
    for (const [term, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      const told = element("dd");
      told.append(value instanceof Node ? value : String(value));
      list.append(element("dt", term), told);
    }
    return list;
  };
  const code = (text) => text && element("code", text);
  const web = (text) => {
    if (!/^https?:\/\/[^\s]+$/i.test(text || "")) return text;
    const link = element("a", text);
    link.href = text;
    link.rel = "noreferrer noopener";
    return link;
  };
  const time = (text) => text && text.slice(0, 16).replace("T", " ") + " UTC";
  const there = { true: "there", false: "gone" };
  const serviceParts = (name, service) => {
    const model = data.models[service.model];
    const metrics = Object.entries(model.metrics).map(([metric, value]) => `${metric} ${value}`).join(", ");
    const parts = [element("h3", name), listed([
      ["Model", `${model.name} v${model.version}`],
      ["Metrics", metrics],
      ["Model file", code(`sha256:${model.sha256}`)],
      ["Published", `${time(model.published_at)} by ${model.published_by}`],
      ["Image", code(service.image)],
      ["In the registry", service.present === null ? "" : there[service.present]],
      ["Image from", service.pinned ? "an earlier release, by its digest" : "this commit"],
      ["Pinned", service.pin && `to ${service.pin.release}, by ${service.pin.by}, ${time(service.pin.at)}: ${service.pin.reason}`],
      ["Namespace", service.namespace],
      ["App", service.app + (service.app_commit ? `, last changed by ${service.app_commit.slice(0, 7)}` : "")],
    ])];
    if (service.smoke) {
      const list = element("ul", undefined, "checks");
      for (const check of service.smoke.checks) {
        const item = element("li");
        const passed = check.passed === true ? ["✓", "passed"] : check.passed === false ? ["✗", "failed"] : ["–", "not looked at"];
        const sign = element("b", passed[0]);
        sign.setAttribute("aria-label", passed[1]);
        sign.setAttribute("role", "img");
        item.append(sign, `${check.name}: ${check.text}`);
        list.append(item);
      }
      parts.push(listed([["Smoke test", list]]));
    }
    return parts;
  };
  const open = (release) => {
    const changes = Object.entries(release.resource_changes || {}).map(([operation, number]) => `${number} ${operation}`).join(", ");
    const title = element("h2", `${release.stack} ${release.id}`);
    title.id = "details-title";
    const close = element("button", "Close", "close");
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    const kinds = { succeeded: "good", failed: "bad", "rolled back": "warn" };
    const outcome = element("p");
    outcome.append(element("span", release.outcome, "outcome", kinds[release.outcome]));
    const parts = [title, close, outcome, listed([
      ["Reason", release.reason],
      ["Began", time(release.started_at)],
      ["Ended", time(release.finished_at)],
      ["Took", `${Math.round(release.duration_seconds)} s`],
      ["By", release.by],
      ["Approved by", release.approved_by],
      ["Commit", code(release.commit + (release.dirty ? ", with changes that no commit holds" : ""))],
      ["Commit of the lock", code(release.lock_commit)],
      ["Pull request", web(release.pull_request)],
      ["Pipeline", web(release.run)],
      ["Plan", code(release.plan_sha256)],
      ["Resources", changes],
      ["Release before", release.previous],
    ])];
    for (const [name, service] of Object.entries(release.services)) parts.push(...serviceParts(name, service));
    dialog.firstElementChild.replaceChildren(...parts);
    if (!dialog.open) {
      cameFrom = document.activeElement;
      dialog.showModal();
    }
    close.focus();
    dialog.scrollTop = 0;
  };

  // The address tells what is shown: #stack=prod&q=digits, or #release/prod/20261124T231847Z?stack=prod.
  const address = (text) => history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  const read = () => {
    const text = location.hash.slice(1);
    const found = /^release\/([^/?]+)\/([^/?]+)(?:\?(.*))?$/.exec(text);
    // A link to a release within the page leaves the filters as they are.
    const asked = found ? found[3] : text === "" || text.includes("=") ? text : undefined;
    if (asked !== undefined) {
      const parameters = new URLSearchParams(asked);
      for (const name of names) form.elements[name].value = parameters.get(name) || "";
    }
    show();
    const release = found && data.releases.find((one) => one.stack === found[1] && one.id === found[2]);
    if (release) {
      address(`release/${release.stack}/${release.id}${query() && `?${query()}`}`);
      open(release);
    } else if (dialog.open) {
      dialog.close();
    }
  };

  form.addEventListener("input", () => { all = false; show(); address(query()); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { show(); address(""); }));
  more.addEventListener("click", () => {
    all = true;
    const next = rows.filter((row) => !row.hidden).length;
    show();
    rows.filter((row) => !row.hidden)[next].querySelector("a").focus();
  });
  table.tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!event.target.closest("a") && !String(getSelection())) row.querySelector("a").click();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    address(query());
    if (cameFrom && cameFrom.isConnected) cameFrom.focus();
    cameFrom = null;
  });
  addEventListener("hashchange", read);
  addEventListener("beforeprint", () => { all = true; show(); });
  form.hidden = false;
  read();
})();
