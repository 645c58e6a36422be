"""The page for people at /docs: what the models take and give, and requests to try. One file of HTML that asks for nothing else."""

import base64
import hashlib
import inspect
import json
import math
import shlex
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from .openapi import openapi
from .signature import FREE, Tensor

if TYPE_CHECKING:
    from .developer import App, JsonSchema, OwnRoute
    from .engine import Engine, Served
    from .tensors import Ranges

_LONGEST_CURL = 4000
"""Characters; a longer request stands in a file of its own. Shells have limits, and so have readers."""
_ANY_SIZE = "any"

_STYLE = """
:root {
  color-scheme: light dark; --ink: #1c1f23; --soft: #565d66; --paper: #ffffff; --panel: #f4f5f7;
  --line: #d3d7dc; --link: #0b57a4; --button: #0b57a4; --bad: #a81c1c;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --soft: #a9b1ba; --paper: #16191d; --panel: #20252b; --line: #3b434c; --link: #8cc0ff; --button: #1c5fa8; --bad: #ff9d9d }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
h1 { margin: 0 } h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line) } h3 { margin: 1.5rem 0 .5rem; font-size: 1rem }
a { color: var(--link) } nav a { margin-right: 1rem } .soft { color: var(--soft) }
code, pre, textarea { font: .875rem/1.45 ui-monospace, monospace } code { overflow-wrap: anywhere }
pre, textarea { width: 100%; margin: 0; padding: .75rem; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: .375rem }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem } textarea { min-height: 9rem; resize: vertical }
table { border-collapse: collapse; width: 100% }
th, td { padding: .25rem 1rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top }
button { margin: .5rem .5rem .5rem 0; padding: .375rem 1rem; font: inherit }
button { color: #ffffff; background: var(--button); border: 0; border-radius: .375rem; cursor: pointer }
button:disabled { opacity: .6; cursor: wait } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px } .bad { color: var(--bad) }
"""

_SCRIPT = """
for (const form of document.querySelectorAll("form")) {
  const [button, status, answer] = ["button", "[role=status]", "pre"].map((part) => form.querySelector(part));
  const body = form.querySelector("textarea");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const started = performance.now();
    try {
      const options = body ? { method: "POST", headers: { "content-type": "application/json" }, body: body.value } : {};
      const response = await fetch(form.dataset.path, options);
      const text = await response.text();
      status.textContent = `${response.status} after ${(performance.now() - started).toFixed(1)} ms`;
      status.className = response.ok ? "" : "bad";
      const shown = (response.headers.get("content-type") || "").includes("json") ? JSON.stringify(JSON.parse(text), null, 1) : text;
      answer.textContent = shown.replace(/\\[\\s+(?=[\\d-])([^\\[\\]{}]*?)\\s+\\]/g, (_, numbers) => `[${numbers.replace(/\\s+/g, " ")}]`);
    } catch (error) {
      status.textContent = `no answer: ${error.message}`;
      status.className = "bad";
      answer.textContent = "";
    }
    answer.hidden = !answer.textContent;
    button.disabled = false;
  });
}
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
for (const code of document.querySelectorAll("pre[data-curl]")) code.textContent = code.textContent.replaceAll("http://127.0.0.1:8080", location.origin);
"""


def docs_page(engine: "Engine", app: "App") -> str:
    """The whole page."""
    models = "".join(_model(index, served, app.ranges_of(served.model.name)) for index, served in enumerate(engine.served.values()))
    own = f"<h2>The app's own paths</h2>{''.join(_own(index, route) for index, route in enumerate(app.own_routes))}" if app.own_routes else ""
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(app.name)}</title><style>{_STYLE}</style></head><body>"
        f'<header><h1>{escape(app.name)}</h1><p class="soft">release {escape(app.release)}, Open Inference Protocol</p>'
        '<nav aria-label="Also here"><a href="openapi.json">OpenAPI document</a><a href="metrics">Metrics</a><a href="v2">Metadata</a></nav></header>'
        f"<main>{models}{own}</main><script>{_SCRIPT}</script></body></html>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _model(index: int, served: "Served", ranges: "Ranges") -> str:
    model = served.model
    path = f"v2/models/{model.name}/infer"
    example = {"inputs": served.example or [_zeros(tensor) for tensor in model.signature.inputs]}
    return (
        f'<section aria-labelledby="model-{index}"><h2 id="model-{index}">{escape(model.name)}</h2>'
        f'<p class="soft">version {escape(model.version)}, sha256 <code>{escape(model.sha256)}</code></p>'
        f"{_tensors('Inputs', model.signature.inputs, ranges)}{_tensors('Outputs', model.signature.outputs, {})}"
        f"{_curl(f'curl-{index}', path, example)}{_form(f'model-body-{index}', path, json.dumps(example, ensure_ascii=False))}</section>"
    )


def _zeros(tensor: Tensor) -> dict[str, Any]:
    shape = [1 if size == FREE else size for size in tensor.shape]
    empty: Any = {"BYTES": "", "BOOL": False}.get(tensor.datatype, 0)
    return {**tensor.as_json(), "shape": shape, "data": [empty] * math.prod(shape)}


def _tensors(title: str, tensors: Iterable[Tensor], ranges: "Ranges") -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(tensor.name)}</code></th><td>{tensor.datatype}</td><td>{_shape(tensor)}</td><td>{_range(tensor, ranges)}</td></tr>'
        for tensor in tensors
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("name", "datatype", "shape", "values"))
    return f"<h3>{title}</h3><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _shape(tensor: Tensor) -> str:
    return " &times; ".join(_ANY_SIZE if size == FREE else str(size) for size in tensor.shape) or "one value"


def _range(tensor: Tensor, ranges: "Ranges") -> str:
    if tensor.name not in ranges:
        return "text" if tensor.datatype == "BYTES" else _ANY_SIZE
    lowest, highest = ranges[tensor.name]
    return f"{lowest:g} to {highest:g}"


def _curl(identifier: str, path: str, body: Any) -> str:
    text = json.dumps(body, ensure_ascii=False)
    url = f"http://127.0.0.1:8080/{path}"
    if len(text) > _LONGEST_CURL:
        command, note = f"curl {url} --data-binary @request.json", " (request.json: the text below)"
    else:
        command, note = f"curl {url} -d {shlex.quote(text)}", ""
    return (
        f'<h3>In a shell{note}</h3><pre id="{identifier}" data-curl tabindex="0" aria-label="curl command">{escape(command)}</pre>'
        f'<button type="button" data-copies="{identifier}">Copy</button>'
    )


def _form(identifier: str, path: str, body: str | None) -> str:
    """A request to try; without a body it is a GET."""
    label = "" if body is None else f'<label for="{identifier}">Body, JSON</label><textarea id="{identifier}" spellcheck="false">{escape(body)}</textarea>'
    return (
        f'<h3>Try it</h3><form data-path="{escape(path)}">{label}<div><button>Send</button><span role="status"></span></div>'
        '<pre hidden tabindex="0" aria-label="Answer"></pre></form>'
    )


def _example(schema: "JsonSchema") -> Any:
    """The example that a schema has, or the least that fits it."""
    for value in (*schema.get("examples", ()), *schema.get("enum", ()), *(schema[key] for key in ("example", "const", "default") if key in schema)):
        return value
    match schema.get("type"):
        case "object":
            return {name: _example(schema.get("properties", {}).get(name, {})) for name in schema.get("required", ())}
        case "array":
            return [_example(schema.get("items", {}))] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "string":
            return ""
        case "boolean":
            return False
        case _:
            return None


def _own(index: int, route: "OwnRoute") -> str:
    text = escape(inspect.getdoc(route.handler) or "").replace("\n\n", "</p><p>")
    trial = ""
    if "{" not in route.path:
        body = None if route.method == "GET" else json.dumps(_example(route.body or {}), ensure_ascii=False)
        trial = _form(f"own-body-{index}", route.path.removeprefix("/"), body)
    return f"<section><h3><code>{route.method} {escape(route.path)}</code></h3><p>{text}</p>{trial}</section>"


__all__ = ["docs_page", "openapi"]
