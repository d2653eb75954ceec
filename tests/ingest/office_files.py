"""Small office files, made part by part when a test asks for them."""

from collections.abc import Mapping

from tests.ingest.bad_files import make_zip

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SCHEMAS = "http://schemas.openxmlformats.org"
NAMESPACES = {
    "w": f"{_SCHEMAS}/wordprocessingml/2006/main",
    "p": f"{_SCHEMAS}/presentationml/2006/main",
    "x": f"{_SCHEMAS}/spreadsheetml/2006/main",
    "a": f"{_SCHEMAS}/drawingml/2006/main",
    "c": f"{_SCHEMAS}/drawingml/2006/chart",
    "cx": "http://schemas.microsoft.com/office/drawing/2014/chartex",
    "dgm": f"{_SCHEMAS}/drawingml/2006/diagram",
    "m": f"{_SCHEMAS}/officeDocument/2006/math",
    "r": _OFFICE,
    "wp": f"{_SCHEMAS}/drawingml/2006/wordprocessingDrawing",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
    "mc": f"{_SCHEMAS}/markup-compatibility/2006",
    "v": "urn:schemas-microsoft-com:vml",
    "xdr": f"{_SCHEMAS}/drawingml/2006/spreadsheetDrawing",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())

Related = Mapping[str, tuple[str, str]]
"""Parts that another part refers to: name (or external target) to kind of relation and XML."""


def declare(name: str, content: str, attributes: str = "") -> str:
    """Return a root element with all namespaces of office files declared."""
    return f"<{name} {_DECLARED} {attributes}>{content}</{name}>"


def relate(*relations: tuple[str, str, str]) -> str:
    """Return a part of relations: id, kind and target; a target with a scheme is external."""
    elements = "".join(
        f'<Relationship Id="{identifier}" Type="{_OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"/>' if ":" in target else "/>")
        for identifier, kind, target in relations
    )
    return (
        f'<Relationships xmlns="{_SCHEMAS}/package/2006/relationships">{elements}</Relationships>'
    )


def make_word(
    body: str, related: Related | None = None, parts: Mapping[str, str | bytes] | None = None
) -> bytes:
    """Return a Word document; `related` parts have the ids r1, r2 … in their order."""
    related = related or {}
    relations = [(f"r{n}", kind, name) for n, (name, (kind, _)) in enumerate(related.items(), 1)]
    return make_zip(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relate(("r1", "officeDocument", "word/document.xml")),
            "word/document.xml": declare("w:document", f"<w:body>{body}</w:body>"),
            "word/_rels/document.xml.rels": relate(*relations),
            **{f"word/{name}": xml for name, (_, xml) in related.items() if ":" not in name},
            **(parts or {}),
        }
    )


def make_slides(
    slides: list[str],
    related: Related | None = None,
    parts: dict[str, str] | None = None,
    attributes: str = "",
) -> bytes:
    """Return a presentation of slides, each the XML of its shapes; all have the same relations."""
    related = related or {}
    relations = relate(
        *((f"r{n}", kind, name) for n, (name, (kind, _)) in enumerate(related.items(), 1))
    )
    numbers = range(1, len(slides) + 1)
    listed = "".join(f'<p:sldId id="{255 + n}" r:id="s{n}"/>' for n in numbers)
    made = {
        f"ppt/slides/slide{n}.xml": declare(
            "p:sld", f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>", attributes
        )
        for n, shapes in zip(numbers, slides, strict=True)
    }
    return make_zip(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relate(("r1", "officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": declare("p:presentation", f"<p:sldIdLst>{listed}</p:sldIdLst>"),
            "ppt/_rels/presentation.xml.rels": relate(
                *((f"s{n}", "slide", f"slides/slide{n}.xml") for n in numbers)
            ),
            **made,
            **{f"ppt/slides/_rels/slide{n}.xml.rels": relations for n in numbers},
            **{f"ppt/slides/{name}": xml for name, (_, xml) in related.items() if ":" not in name},
            **(parts or {}),
        }
    )


def make_book(
    sheets: Mapping[str, str],
    *,
    formats: tuple[str, ...] = (),
    related: Related | None = None,
    parts: dict[str, str] | None = None,
    states: Mapping[str, str] | None = None,
) -> bytes:
    """Return a workbook: `sheets` by name, each the XML inside its root.

    Style n of a cell is the n-th of `formats`, counted from 1; `related` is of every sheet.
    """
    related, states = related or {}, states or {}
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f'<x:sheet name="{name}" sheetId="{n}" r:id="s{n}" state="{states.get(name, "visible")}"/>'
        for n, name in zip(numbers, sheets, strict=True)
    )
    codes = "".join(
        f'<x:numFmt numFmtId="{163 + n}" formatCode="{code}"/>' for n, code in enumerate(formats, 1)
    )
    styles = "".join(f'<x:xf numFmtId="{163 + n}"/>' for n in range(1, len(formats) + 1))
    relations = relate(
        *((f"r{n}", kind, name) for n, (name, (kind, _)) in enumerate(related.items(), 1))
    )
    return make_zip(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relate(("r1", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": declare("x:workbook", f"<x:sheets>{listed}</x:sheets>"),
            "xl/_rels/workbook.xml.rels": relate(
                ("st", "styles", "styles.xml"),
                *((f"s{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers),
            ),
            "xl/styles.xml": declare(
                "x:styleSheet",
                f"<x:numFmts>{codes}</x:numFmts>"
                f'<x:cellXfs><x:xf numFmtId="0"/>{styles}</x:cellXfs>',
            ),
            **{
                f"xl/worksheets/sheet{n}.xml": declare("x:worksheet", xml)
                for n, xml in zip(numbers, sheets.values(), strict=True)
            },
            **{f"xl/worksheets/_rels/sheet{n}.xml.rels": relations for n in numbers},
            **{
                f"xl/worksheets/{name}": xml
                for name, (_, xml) in related.items()
                if ":" not in name
            },
            **(parts or {}),
        }
    )


def run(words: str, properties: str = "") -> str:
    """Return a run of a Word document."""
    look = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{look}<w:t xml:space="preserve">{words}</w:t></w:r>'


def paragraph(content: str, properties: str = "") -> str:
    """Return a paragraph of a Word document; plain words are a run."""
    inner = content if content.startswith("<") else run(content)
    return f"<w:p><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def shape(words: str, *, at: tuple[int, int] | None = None, kind: str = "") -> str:
    """Return a shape of a slide: `at` is left and top in inches, `kind` its placeholder."""
    place = ""
    if at is not None:
        place = f'<a:xfrm><a:off x="{at[0] * 914400}" y="{at[1] * 914400}"/></a:xfrm>'
    holder = f'<p:ph type="{kind}"/>' if kind else ""
    body = words if words.startswith("<") else f"<a:p><a:r><a:t>{words}</a:t></a:r></a:p>"
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="s"/><p:nvPr>{holder}</p:nvPr></p:nvSpPr>'
        f"<p:spPr>{place}</p:spPr><p:txBody>{body}</p:txBody></p:sp>"
    )


def row(number: int, *cells: str) -> str:
    """Return a row of a sheet: a cell in XML, or words of one."""
    made = "".join(
        cell
        if cell.startswith("<")
        else f'<x:c r="{chr(65 + at)}{number}" t="inlineStr"><x:is><x:t>{cell}</x:t></x:is></x:c>'
        for at, cell in enumerate(cells)
    )
    return f'<x:row r="{number}">{made}</x:row>'


def chart(values: Mapping[str, Mapping[str, float]], title: str = "") -> str:
    """Return a bar chart of series of values by category."""

    def points(kind: str, listed: list[str]) -> str:
        made = "".join(f'<c:pt idx="{n}"><c:v>{v}</c:v></c:pt>' for n, v in enumerate(listed))
        return f"<c:{kind}Ref><c:{kind}Cache>{made}</c:{kind}Cache></c:{kind}Ref>"

    series = "".join(
        f"<c:ser><c:tx>{points('str', [name])}</c:tx>"
        f"<c:cat>{points('str', list(by))}</c:cat>"
        f"<c:val>{points('num', [str(v) for v in by.values()])}</c:val></c:ser>"
        for name, by in values.items()
    )
    words = f"<a:p><a:r><a:t>{title}</a:t></a:r></a:p>"
    named = f"<c:title><c:tx><c:rich>{words}</c:rich></c:tx></c:title>" if title else ""
    return declare(
        "c:chartSpace",
        f"<c:chart>{named}<c:plotArea><c:barChart>{series}</c:barChart></c:plotArea></c:chart>",
    )


def diagram(*links: tuple[str, str]) -> str:
    """Return SmartArt's data: pairs of a point and the one below it, "" for the top."""
    names = list(dict.fromkeys(below for _, below in links))
    points = "".join(
        f'<dgm:pt modelId="{n}"><dgm:t><a:p><a:r><a:t>{n}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for n in names
    )
    joined = "".join(
        f'<dgm:cxn modelId="c{n}" srcId="{above}" destId="{below}" srcOrd="{n}"/>'
        for n, (above, below) in enumerate(links)
    )
    return declare(
        "dgm:dataModel",
        f'<dgm:ptLst><dgm:pt modelId="" type="doc"/>{points}</dgm:ptLst>'
        f"<dgm:cxnLst>{joined}</dgm:cxnLst>",
    )
