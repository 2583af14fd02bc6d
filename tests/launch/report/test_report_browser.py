"""The page in headless Chromium, opened from a file."""

import shutil

import pytest

from paramspace.launch import report

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(scope='module')
def browser():
  webdriver = pytest.importorskip('selenium.webdriver')
  binary = next(filter(None, map(shutil.which, BROWSERS)), None)
  driver = shutil.which('chromedriver')
  if not binary or not driver:
    pytest.skip('needs a browser: apt-get install chromium chromium-driver')
  options = webdriver.ChromeOptions()
  options.binary_location = binary
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
  for flag in (
    '--headless=new',
    '--no-sandbox',  # Root has none.
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--window-size=1280,1000',
  ):
    options.add_argument(flag)
  service = webdriver.ChromeService(driver)
  opened = webdriver.Chrome(options=options, service=service)
  yield opened
  opened.quit()


@pytest.fixture
def page(browser, shared):
  out = shared.root / 'report.html'
  if not out.exists():
    report.write(out, shared.configs, shared.results)
  browser.get(out.as_uri())
  browser.execute_script('localStorage.clear()')
  browser.refresh()
  yield browser
  assert browser.get_log('browser') == []


def all_of(page, selector):
  return page.find_elements('css selector', selector)


def one(page, selector):
  (found,) = all_of(page, selector)
  return found


def shown(page):
  rows = all_of(page, '#claims-table tbody tr')
  return [
    row.find_element('css selector', 'td:nth-child(2) code').text
    for row in rows
    if row.is_displayed()
  ]


def test_a_column_is_sorted_by_click_and_by_key(page):
  head = one(page, 'th:nth-child(4)')
  button = head.find_element('tag name', 'button')
  button.click()
  assert head.get_attribute('aria-sort') == 'ascending'
  assert shown(page) == ['walk/end', 'walk/mean', 'walk/start']
  button.send_keys('\ue007')  # Enter.
  assert head.get_attribute('aria-sort') == 'descending'
  assert shown(page) == ['walk/start', 'walk/mean', 'walk/end']
  # What has no number stays last, whichever way.
  one(page, 'th:nth-child(3) button').click()
  assert head.get_attribute('aria-sort') == 'none'
  assert shown(page)[-1] == 'walk/start'
  one(page, 'th:nth-child(3) button').click()
  assert shown(page)[-1] == 'walk/start'


def test_claims_and_figures_are_filtered_by_words_and_verdict(page):
  one(page, '#search').send_keys('END they')
  assert shown(page) == ['walk/end']
  assert one(page, '#shown').text == '1 of 3 claims, 0 of 1 figures'
  assert not one(page, '.card').is_displayed()
  page.execute_script("location.hash = '#walk'")
  assert one(page, '.card').is_displayed()
  for verdict, left in (
    ('fails', ['walk/start']),
    ('unlike', ['walk/mean']),
    ('holds unlike', ['walk/mean', 'walk/end']),
    ('unmeasured', []),
  ):
    one(page, f'[value="{verdict}"]').click()
    assert shown(page) == left


def test_the_page_turns_dark_and_stays_so(page):
  def brightness():
    color = one(page, 'body').value_of_css_property('background-color')
    red, green, blue = color[color.index('(') + 1 : -1].split(',')[:3]
    return (int(red) + int(green) + int(blue)) / 3

  light = brightness()
  one(page, '#theme').click()
  assert light > 200 and brightness() < 60
  assert one(page, '#theme').get_attribute('aria-pressed') == 'true'
  page.refresh()
  assert brightness() < 60


def test_arrow_keys_step_through_the_values_of_a_figure(page):
  plot, tip = one(page, '.plot'), one(page, '#tip')
  assert not tip.is_displayed()
  plot.send_keys('\ue014')  # Right.
  assert tip.text.splitlines() == ['a walk', 'time t: 0', 'place x: 1']
  plot.send_keys('\ue014')
  assert tip.text.splitlines() == ['a walk', 'time t: 1', 'place x: 2.50']
  plot.send_keys('\ue015')  # Down.
  assert tip.text.splitlines() == ['half of it', 'time t: 1', 'place x: 1.25']
  plot.send_keys('\ue00c')  # Escape.
  assert not tip.is_displayed()


def test_the_value_that_is_pointed_at_is_shown(page):
  from selenium.webdriver import ActionChains

  plot = one(page, '.plot')
  page.execute_script('arguments[0].scrollIntoView({block: "center"})', plot)
  # The ring is where the value is: it is the last marker of the first line.
  plot.send_keys('\ue010')  # End.
  ring = page.execute_script(
    'const r = document.querySelector(".ring").getBoundingClientRect();'
    'return [r.x + r.width / 2, r.y + r.height / 2]'
  )
  drawn = page.execute_script(
    'return [...document.querySelectorAll(".plot use")].map(u =>'
    '  {const r = u.getBoundingClientRect();'
    '   return [r.x + r.width / 2, r.y + r.height / 2]})'
  )
  gap = min(max(abs(x - ring[0]), abs(y - ring[1])) for x, y in drawn)
  assert gap < 1  # Pixel.
  plot.send_keys('\ue00c')
  actions = ActionChains(page)
  actions.w3c_actions.pointer_action.move_to_location(
    round(ring[0]) + 2, round(ring[1]) - 2
  )
  actions.perform()
  lines = one(page, '#tip').text.splitlines()
  assert lines == ['a walk', 'time t: 2', 'place x: 1.50']


def test_a_command_is_copied_or_where_that_is_forbidden_selected(page):
  from selenium.webdriver.support import wait

  button = all_of(page, '.copy')[0]
  button.click()
  said = wait.WebDriverWait(page, 5).until(
    lambda _: button.text if button.text != 'Copy' else None
  )
  command = button.get_attribute('data-copy')
  if said == 'Selected':
    assert page.execute_script('return getSelection().toString()') == command
  assert said in ('Copied', 'Selected')


def test_the_values_of_a_card_are_opened_and_scrolled_by_key(page):
  summary = all_of(page, '.folds summary')[0]
  box = all_of(page, '.folds .scroll')[0]
  assert not box.is_displayed()
  summary.send_keys('\ue007')  # Enter.
  assert box.is_displayed()
  assert 'Values' in summary.text
  summary.send_keys('\ue004')  # Tab.
  assert page.switch_to.active_element == box


def test_a_phone_shows_all_without_scrolling_sideways(page):
  size = dict(width=390, height=844, deviceScaleFactor=2, mobile=True)
  page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
  try:
    wide = page.execute_script('return document.documentElement.scrollWidth')
    assert wide == 390
    cell = one(page, '#claims-table tbody tr:first-child td:nth-child(4)')
    assert cell.value_of_css_property('display') == 'grid'
    assert all_of(page, '#order option')[1].text == 'Study'
  finally:
    page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
