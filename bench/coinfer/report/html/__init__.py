"""Reports and comparisons as one file that opens in a browser without a network."""

from coinfer.report.html.comparison import comparison_page
from coinfer.report.html.material import Shown
from coinfer.report.html.page import page

__all__ = ["Shown", "comparison_page", "page"]
