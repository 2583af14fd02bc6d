"""Text as HTML: nothing that a config says becomes a tag."""

import html
import re
from typing import Any

_BREAKS = re.compile(r'(?<=[/_+])')
_CODE = re.compile('`([^`]+)`')
_ARXIV = re.compile(r'https://arxiv\.org/abs/[\w./-]*\w')


def escape(text: Any) -> str:
  """Returns text for an element or an attribute.

  >>> escape('<a href="x">')
  '&lt;a href=&quot;x&quot;&gt;'
  """
  return html.escape(str(text))


def name(text: str) -> str:
  """Returns a long name that may break after its strokes.

  >>> name('none/barrier')
  '<code>none/<wbr>barrier</code>'
  """
  parts = [escape(part) for part in _BREAKS.split(text)]
  return f'<code>{"<wbr>".join(parts)}</code>'


def prose(text: str) -> str:
  """Returns text in which papers on arXiv are links; nothing else is one.

  >>> prose('A < `b` +- 2, https://arxiv.org/abs/1804.08838.')
  'A &lt; <code>b</code> ± 2, <a href="https://arxiv.org/abs/1804.08838">arXiv:1804.08838</a>.'
  """

  def link(found: re.Match) -> str:
    number = found[0].rpartition('/abs/')[2]
    return f'<a href="{found[0]}">arXiv:{number}</a>'

  text = _CODE.sub(r'<code>\1</code>', escape(text)).replace('+-', '±')
  return _ARXIV.sub(link, text)


def folded(title: str, body: str) -> str:
  """Returns what is shown when its title is opened."""
  return (
    f'<details><summary>{escape(title)}</summary>'
    f'<div class="folded">{body}</div></details>'
  )


def pairs(rows: dict[str, Any]) -> str:
  """Returns names and values, a line each."""
  lines = ''.join(
    f'<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>'
    for key, value in rows.items()
  )
  return f'<dl class="pairs">{lines}</dl>'


def command(text: str) -> str:
  """Returns a command with a button that copies it."""
  return (
    f'<div class="command"><code tabindex="0">{escape(text)}</code>'
    f'<button type="button" class="copy" data-copy="{escape(text)}" '
    f'aria-label="Copy the command {escape(text)}">Copy</button></div>'
  )
