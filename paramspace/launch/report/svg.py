"""Matplotlib's SVG, made fit to stand in a page beside others."""

import html
import re

from paramspace.launch import figures

# Colours of the page, by those of the drawing; the page has a set for the dark.
_VARIABLES = {
  **{color.lower(): f'c{i}' for i, color in enumerate(figures.COLORS)},
  '#000000': 'ink',
  '#ffffff': 'card',
  '#e6e6e6': 'grid',
}
_GREY = re.compile(r'#([0-9a-f]{2})\1\1')
_PALE = 0xA0  # Of two greys in a figure the lighter is above it.
_HEAD = re.compile(r'^.*?(?=<svg)', re.DOTALL)
_DROPPED = re.compile(
  r'<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->', re.DOTALL
)
_COLOR = re.compile(r'(?<=[ :"])#[0-9a-f]{6}\b')
_DECIMALS = re.compile(r'(?<=\d\.\d\d)\d+')
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:url\(#|href="#)([^")]*)')
_FAMILY = re.compile(r" ?'?DejaVu Sans'?(?:,[^;\"]*)?")
_OPEN = re.compile(r'<svg [^>]*viewBox="0 0 (\S+) (\S+)"[^>]*>')


def embedded(text: str, name: str, about: str) -> str:
  """Returns the `<svg>` for a page.

  Text stays text, in the font of the page. Colours become variables, so that
  the page can be dark. Ids get the name in front; those that nothing refers to
  go, as do digits that no one sees.

  Args:
    text: From matplotlib, with `svg.fonttype` none.
    name: Of letters, digits and underscores.
    about: What is drawn, for who does not see it.
  """
  text = _DROPPED.sub('', _HEAD.sub('', text))
  text = text.replace('xlink:href', 'href')
  text = _COLOR.sub(lambda found: _color(found[0]), text)
  text = _FAMILY.sub(' var(--plot)', text)
  text = re.sub(r'(?<==")[^"]*(?=")', lambda m: _short(m[0]), text)
  used = set(_USED.findall(text))
  text = _ID.sub(lambda m: f' id="{name}-{m[1]}"' * (m[1] in used), text)
  text = re.sub(r'(url\(#|href="#)', rf'\g<1>{name}-', text)
  text = re.sub(r'>\s+<', '><', text)
  label = html.escape(about)
  return _OPEN.sub(
    lambda m: (
      f'<svg viewBox="0 0 {m[1]} {m[2]}" style="--width: {float(m[1]):g}" '
      f'role="img" aria-label="{label}">'
    ),
    text,
    count=1,
  ).strip()


def _color(color: str) -> str:
  """Returns the variable of a colour; a map's colours stay as they are."""
  if color in _VARIABLES:
    return f'var(--{_VARIABLES[color]})'
  grey = _GREY.fullmatch(color)
  if not grey:
    return color
  return f'var(--{"pale" if int(grey[1], 16) > _PALE else "grey"})'


def _short(attribute: str) -> str:
  return _DECIMALS.sub('', attribute)
