"""The HTTP server that the service stands on, with nothing behind it: uvicorn, uvloop and httptools answer the same bytes whatever is asked."""
# Runs in the environment of the service, which has what is imported here.

import os
from pathlib import Path
from typing import Any

import uvicorn

ANSWERS = {f"/{path.stem}": path.read_bytes() for path in Path(os.environ["WORK_DIR"], "answers").glob("*.json")}


async def constant(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An ASGI application; it reads the body as any other must."""
    while (await receive()).get("more_body"):
        pass
    answer = ANSWERS[scope["path"]]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(constant, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools", lifespan="off", access_log=False)
