import html.parser
import pathlib
import re

import pytest

import paramspace
from paramspace import cli
from paramspace.launch import errors
from paramspace.launch import report
from paramspace.launch.report import findings
from paramspace.launch.report import studies

VOID = {'meta', 'link', 'input', 'br', 'wbr'}


class Reader(html.parser.HTMLParser):
  """Checks that tags match, and collects ids, links and what is loaded."""

  def __init__(self):
    super().__init__()
    self.open, self.ids, self.links, self.loaded = [], [], [], []

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.ids += [attrs['id']] if 'id' in attrs else []
    self.links += [attrs['href']] if tag == 'a' else []
    self.loaded += [attrs['src']] if 'src' in attrs else []
    if tag not in VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.handle_starttag(tag, attrs)
    if tag not in VOID:
      self.open.pop()

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def written(gallery, name='report.html'):
  out = gallery.root / name
  report.write(out, gallery.configs, gallery.results)
  return out.read_text('utf-8')


@pytest.fixture(scope='module')
def page(shared):
  return written(shared)


def cells(page, label):
  found = re.findall(f'<td data-label="{label}".*?</td>', page)
  return [' '.join(re.sub('<[^>]*>', ' ', cell).split()) for cell in found]


def test_a_row_has_the_papers_number_ours_and_whether_it_holds(page):
  assert cells(page, 'Claim') == [
    'walk/ mean',
    'walk/ end as they say',
    'walk/ start',
  ]
  assert cells(page, 'Paper') == [
    '2 Nobody, 1900, Table &lt;1&gt;',
    '0.5 Nobody, 1900',
    '— measured here',
  ]
  assert cells(page, 'Ours') == ['1.25 [1.20, 1.30]', '0.510', '4.00']
  assert cells(page, 'Expected')[0] == '1.17 to 1.43 ± 10%'
  minus = '\N{MINUS SIGN}'
  assert cells(page, 'Verdict') == [
    f'✓ holds {minus}38% from the paper',
    '✓ holds agrees with the paper',
    '✗ does not hold',
  ]
  assert cells(page, 'Time') == ['13 min'] * 3


def test_a_card_has_its_command_settings_notes_values_and_figure(page):
  card = page.partition('<article')[2].partition('</article>')[0]
  command = 'paramspace reproduce '
  assert f'data-copy="{command}' in card
  assert 'configs/toy_walks/walk.py"' in card
  assert '<dt>steps</dt><dd>10</dd>' in card
  assert 'arXiv:1900.00001</a>, says <code>two</code> ± 1.' in card
  assert 'less than the paper has' in card
  assert '2 of 3 claims hold' in card
  assert '0123456789abcdef' in card
  assert '<dt>versions</dt>' not in card
  assert '<dt>version</dt><dd>not recorded</dd>' in card
  assert '["a walk"' not in card
  assert '"name": "a walk"' in card
  assert card.count('<svg') == 1
  assert '>time t</text>' in card


def test_the_counts_of_the_lead_add_up(page):
  lead = page.partition('<dl class="lead-numbers">')[2].partition('</dl>')[0]
  pairs = re.findall('<dt>(.*?)</dt><dd>(.*?)</dd>', lead)
  assert dict(pairs) == {
    'studies': '1',
    'claims hold': '2 of 3',
    'do not hold': '1',
    'not measured': '0',
    'numbers of papers found again': '1 of 2',
  }


def test_what_is_not_reproduced_is_listed_with_its_reason(page):
  missing = page.partition('<section id="missing"')[2]
  plain = ' '.join(re.sub('<[^>]*>', ' ', missing).split())
  assert 'walk/ start is 4.00 ; 4.50 to 5.50 was expected' in plain
  assert 'walk/ mean is 1.25 [1.20, 1.30] ; the paper has 2' in plain
  assert 'A longer walk : it takes a week' in plain
  assert 'points 3 → 30' in plain
  assert 'steps 10 → 1,000' in plain


def test_text_of_a_config_never_becomes_a_tag(page):
  assert 'alert("' not in page
  assert 'Walks &lt;script&gt;alert(&quot;&amp; more&quot;)' in page


def test_tags_match_ids_are_unique_and_nothing_is_loaded(page):
  reader = Reader()
  reader.feed(page)
  assert reader.open == []
  assert len(set(reader.ids)) == len(reader.ids)
  assert reader.loaded == []
  inside = [link for link in reader.links if link.startswith('#')]
  assert {link[1:] for link in inside} <= set(reader.ids)
  outside = set(reader.links) - set(inside)
  assert outside == {'https://arxiv.org/abs/1900.00001'}


def test_the_same_results_give_the_same_page(gallery):
  assert written(gallery, 'a.html') == written(gallery, 'b.html')


def test_all_that_this_repository_claims_was_measured():
  root = pathlib.Path(paramspace.__file__).parents[1]
  found = studies.find(root / 'configs', root / 'experiments' / 'results')
  claimed = findings.every(found)
  assert [f.claim.quantity for f in claimed if f.value is None] == []
  assert len(claimed) > 100


def test_topics_of_papers_come_first(gallery):
  later = (gallery.configs / 'toy_walks' / 'longer.py').read_text()
  gallery.write('configs/a_cost/cost.py', later)
  found = studies.find(gallery.configs, gallery.results)
  assert [study.name for study in found] == ['longer', 'walk', 'cost']


def test_two_figures_on_a_page_share_no_id(gallery):
  gallery.keep('longer', {'rows': [{'t': 0, 'x': 1.0}, {'t': 1, 'x': 1.0}]})
  reader = Reader()
  reader.feed(written(gallery))
  assert len(set(reader.ids)) == len(reader.ids)


def test_the_command_writes_the_page_and_says_what_is_in_it(gallery, capsys):
  out = gallery.root / 'page.html'
  arguments = ['--configs', gallery.configs, '--results', gallery.results]
  code = cli.main(['report', '--out', str(out), *map(str, arguments)])
  assert code == errors.DONE
  assert out.read_text('utf-8').startswith('<!doctype html>')
  said = 'studies: 1, claims: 3; 2 hold, 1 do not, 0 not measured'
  assert said in capsys.readouterr().out


def test_an_empty_folder_of_results_is_refused(gallery):
  (gallery.results / 'walk.json').unlink()
  with pytest.raises(errors.UsageError, match='results has no kept results'):
    written(gallery)


def test_a_folder_that_is_not_there_names_the_option(gallery):
  with pytest.raises(errors.UsageError, match='in a clone, or name --results'):
    studies.find(gallery.configs, gallery.root / 'nothing')


def test_a_result_of_no_config_names_the_nearest(gallery):
  gallery.keep('walks', {})
  with pytest.raises(errors.UsageError, match=r"no config.*'walk'"):
    written(gallery)


def test_a_damaged_result_is_one_line_that_names_it(gallery):
  gallery.write('results/walk.json', '{"rows": [1,\n')
  with pytest.raises(errors.UsageError, match=r'walk\.json is damaged') as e:
    written(gallery)
  assert '\n' not in str(e.value)


def test_a_result_without_rows_names_its_config(gallery):
  gallery.keep('walk', {'summary': {}})
  with pytest.raises(errors.UsageError, match=r'walk\.py has no `rows`'):
    written(gallery)


def test_a_claim_of_what_was_not_measured_neither_holds_nor_fails(gallery):
  gallery.keep(
    'walk', {'rows': [{'t': 0, 'x': 1.0}], 'summary': {'walk/start': 4.0}}
  )
  page = written(gallery)
  assert cells(page, 'Ours') == ['—', '—', '4.00']
  assert cells(page, 'Verdict') == [
    '○ not measured',
    '○ not measured',
    '✗ does not hold',
  ]
  assert page.count('data-kind="unmeasured"') == 2
  assert '0 of 3 claims hold, 2 not measured' in page
  missing = page.partition('<section id="missing"')[2]
  plain = ' '.join(re.sub('<[^>]*>', ' ', missing).split())
  assert 'Claims that do not hold 1' in plain
  assert 'Claims that were not measured 2' in plain
  assert 'walk/ mean (Nobody, 1900, Table &lt;1&gt;)' in plain


def test_a_time_that_nobody_noted_is_said_in_words(gallery):
  kept = {'rows': [{'t': 0, 'x': 1.0}], 'summary': {'walk/start': 4.0}}
  gallery.keep('walk', kept)
  page = written(gallery)
  assert cells(page, 'Time') == ['not recorded'] * 3
  assert 'Measured over all points: not recorded.' in page


def test_a_card_has_all_numbers_of_the_rows_and_those_that_claims_name(page):
  card = page.partition('<article')[2].partition('</article>')[0]
  tables = {
    name: re.sub('<[^>]*>', ' ', body).split()
    for name, body in re.findall(
      r'<div class="scroll"[^>]*aria-label="(\w+)">(.*?)</div>', card
    )
  }
  # The columns of the figure, then others that have numbers.
  assert tables['Values'][:4] == ['t', 'x', 'y', '0']
  assert tables['Values'][3:] == '0 1.00 1 2.50 0.500 2 1.50'.split()
  assert tables['Numbers'][:6] == (
    'quantity value interval walk/mean 1.25 [1.20,'.split()
  )


def test_configs_of_one_name_are_refused(gallery):
  gallery.write('configs/other/walk.py', '')
  with pytest.raises(errors.UsageError, match='have the same name'):
    written(gallery)
