"""Formulas as MathML, which browsers draw themselves: no script, and nothing from the network."""

from html import escape

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

_APPLIED = "<mo>&ApplyFunction;</mo>"
_logger = logging.getLogger(__name__)


def _mathml(node, as_block):
    try:
        formula = tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        _logger.warning("formula: %s", error, location=node)
        return f"<code>{escape(node.astext())}</code>"
    # Browsers set no space after "log" and "det".
    return formula.replace(_APPLIED, _APPLIED + '<mspace width="0.17em"/>')


def _inline(translator, node):
    translator.body.append(_mathml(node, as_block=False))
    raise SkipNode


def _display(translator, node):
    translator.body.append(f'<div class="formula">{_mathml(node, as_block=True)}</div>\n')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
