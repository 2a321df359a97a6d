"""What the site needs beyond MkDocs: files outside docs/ that a page links to come along.

On the project's own pages such links work as they are (``../results/...``). In the site the file is
copied to the same path below the root, and the link is made to lead there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"\]\((?P<target>(?:\.\./)+[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Copy what the page links to outside docs/; a link that leads nowhere is left to MkDocs."""
    root = Path(config.docs_dir).parent
    folder = posixpath.dirname(page.file.src_uri)

    def lead(link: re.Match[str]) -> str:
        inside = posixpath.normpath(posixpath.join("docs", folder, link["target"]))
        if inside.startswith(("docs/", "../")) or not (root / inside).is_file():
            return link[0]
        # A page of the project's root would be rendered; as a file it is shown as it is.
        copied = inside + ".txt" if inside.endswith(".md") else inside
        if files.get_file_from_path(copied) is None:
            files.append(File.generated(config, copied, abs_src_path=str(root / inside)))
        return f"]({posixpath.relpath(copied, folder or '.')}{link['anchor'] or ''})"

    return _LINK.sub(lead, markdown)
