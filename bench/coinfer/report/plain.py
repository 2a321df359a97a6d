"""Tables as text that others typeset: Markdown for a pull request, LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # What has no place in the text fonts that pdfLaTeX uses unless told otherwise.
    "→": r"$\to$",
    "×": r"$\times$",
    "–": "--",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
    "…": r"\dots{}",
    "μ": r"$\mu$",
    "·": r"$\cdot$",
}
_MINUS: Final = re.compile(r"(?<![\w.])-(?=\d)")


def markdown_table(
    headings: Sequence[str], lines: Iterable[Sequence[str]], right: Iterable[str] = ()
) -> str:
    r"""Write a table of GitHub's Markdown; columns named in `right` are aligned to the right.

    Examples
    --------
    >>> print(markdown_table(["method", "ms"], [["a|b", "4.2"]], right=["ms"]), end="")
    | method | ms |
    | --- | ---: |
    | a\|b | 4.2 |
    """
    to_right = set(right)
    rules = ["---:" if heading in to_right else "---" for heading in headings]
    rows = [[_markdown(cell) for cell in line] for line in (headings, *lines)]
    rows.insert(1, rules)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def latex_table(
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    caption: str,
    notes: Sequence[str] = (),
    right: Iterable[str] = (),
) -> str:
    r"""Write a floating table with the rules of booktabs (needs ``\usepackage{booktabs}``).

    Examples
    --------
    >>> print(latex_table(["method", "%"], [["a_b", "-4.2"]], caption="Mine", right=["%"]))
    \begin{table}
      \centering
      \caption{Mine}
      \begin{tabular}{lr}
        \toprule
        method & \% \\
        \midrule
        a\_b & $-$4.2 \\
        \bottomrule
      \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    to_right = set(right)
    columns = "".join("r" if heading in to_right else "l" for heading in headings)

    def row(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(latex, cells)) + r" \\"

    text = [
        *(r"\begin{table}", r"  \centering", rf"  \caption{{{latex(caption)}}}"),
        *(rf"  \begin{{tabular}}{{{columns}}}", r"    \toprule", row(headings), r"    \midrule"),
        *(row(line) for line in lines),
        *(r"    \bottomrule", r"  \end{tabular}"),
        *(rf"  \par\footnotesize {latex(note)}" for note in notes),
        *(r"\end{table}", ""),
    ]
    return "\n".join(text)


def latex(text: str) -> str:
    r"""Escape text for LaTeX.

    Examples
    --------
    >>> latex("int8_group & 50 % → -2")
    'int8\\_group \\& 50 \\% $\\to$ $-$2'
    """
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return _MINUS.sub("$-$", escaped)


def _markdown(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")
