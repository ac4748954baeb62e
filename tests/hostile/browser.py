"""What a page could do in a browser: by a parse of it, and in headless Chromium, told to report what runs and what loads."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from bleach._vendor import html5lib  # reads HTML as browsers do

RUN = {"script", "iframe", "frame", "frameset", "object", "embed", "applet", "portal", "base", "link", "meta", "form"}
RUN |= {
    "input",
    "button",
    "textarea",
    "select",
    "style",
    "svg",
    "animate",
    "set",
    "use",
    "foreignobject",
    "template",
    "noscript",
}
RUN |= {
    "video",
    "audio",
    "source",
    "track",
    "maction",
    "annotation-xml",
    "mglyph",
    "canvas",
    "dialog",
    "xmp",
    "plaintext",
}
LINKS = {"href", "src", "action", "formaction", "data", "poster", "background", "ping", "cite", "longdesc", "manifest"}
LINKS |= {"srcset", "lowsrc", "dynsrc", "archive", "codebase", "classid", "profile", "usemap", "xlink:href"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def dangers(page: str) -> list[str]:
    """What in the body of a page could run, load or cover it; the head must hold nothing of a student's."""
    head, _, body = page.partition("<body")
    outside = r"<(?:script|link|base|iframe)\b[^>]*|http-equiv[^>]*|url\(['\"]?(?:\w+:)?//[^)]*"
    found = [f"in the head: {tag}" for tag in re.findall(outside, head)]
    for element in html5lib.parse("<body" + body, namespaceHTMLElements=False).iter():
        name = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else "comment"
        if name in RUN:
            found.append(f"<{name}>")
        for attribute, value in element.attrib.items():
            attribute = str(attribute[-1] if isinstance(attribute, tuple) else attribute).rpartition("}")[2].lower()
            scheme = re.match(r"([a-z][a-z0-9+.-]*):", re.sub(r"[\x00-\x20\x7f]", "", value).lower())
            plain = re.sub(r"[\x00-\x20]", "", value).replace("\\", "/")
            if attribute.startswith("on") or attribute in ("style", "srcdoc", "formaction", "ping", "srcset"):
                found.append(f"<{name} {attribute}={value[:60]!r}>")
            elif attribute in LINKS and name != "a":
                if not re.match(r"data:image/(png|jpeg|gif);", plain) and (scheme or plain.startswith("//")):
                    found.append(f"<{name} {attribute}={value[:60]!r}>")
            elif attribute in LINKS and scheme and scheme[1] not in ("http", "https", "mailto"):
                found.append(f"<{name} {attribute}={value[:60]!r}>")
    return found


class Browser:
    """One headless Chromium; `visit` loads a page and gives what it tried to do."""

    def __init__(self):
        from websocket import create_connection  # of jupyter_server

        self.folder = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--disable-background-networking", "--remote-debugging-port=0", "--remote-allow-origins=*"]
        options += [f"--user-data-dir={self.folder.name}", "about:blank"]
        self.process = subprocess.Popen(
            [CHROMIUM, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        address = next(
            (m[1] for m in map(re.compile(r"listening on (ws://\S+)").search, self.process.stderr) if m), None
        )
        assert address, "Chromium does not start"
        self.numbers, self.events = itertools.count(1), []
        self.socket = create_connection(address, timeout=30)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        self.call(
            "Page.addScriptToEvaluateOnNewDocument", source="window.ran = 0; window.pwn = () => { window.ran += 1; };"
        )

    def call(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            reply = json.loads(self.socket.recv())
            if reply.get("id") == number:
                assert "error" not in reply, reply
                return reply["result"]
            self.events.append(reply)

    def ask(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)[
            "result"
        ].get("value")

    def visit(self, path: Path) -> list[str]:
        """Load the page, click and hover on all of it; what ran, what it loaded, where it went."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        for _ in range(200):
            if self.ask("document.readyState") == "complete" and self.ask("location.href") == path.as_uri():
                break
        self.ask(STIR)
        found = [f"{self.ask('window.ran')} scripts ran"] if self.ask("window.ran") else []
        where = self.ask("location.href.split('#')[0]")
        if where != path.as_uri():
            found.append(f"the page went to {where}")
        for event in self.events:
            if event.get("method") == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                if (
                    url.split("#")[0] != path.as_uri()
                    and not re.match(r"data:image/(png|jpeg|gif|svg\+xml)", url)
                    and not local(url, path)
                ):
                    found.append(f"it loaded {url[:100]}")
        return found

    def close(self):
        self.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)  # its children, too: they write into the folder to the last
        self.process.wait()
        self.process.stderr.close()
        self.folder.cleanup()


def local(url, path):
    """A picture that should lie beside the page: allowed, and not there."""
    return url.startswith(path.parent.as_uri() + "/")


# Every event that a person's hands could cause; links are followed only where they would run something.
STIR = """(async () => {
  for (const element of document.body.querySelectorAll('*')) {
    for (const kind of ['mouseover', 'focus', 'click', 'toggle', 'error', 'load', 'begin', 'pointerenter', 'animationstart'])
      element.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true}));
    if (element.tagName === 'A' && !['http:', 'https:', 'mailto:', 'file:'].includes(element.protocol)) element.click();
  }
  await new Promise(done => setTimeout(done, 50));
})()"""
