// Sorting, filtering, the dark page, copying, and the values of figures. The
// page is whole without it: what needs it is shown by it.
'use strict';

const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// The theme is the system's until the button says otherwise.
function theming() {
  const button = find('#theme');
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const store = (write) => {
    try {
      return write(localStorage);
    } catch {
      return null; // Where a page from a file may keep nothing.
    }
  };
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === 'dark' : system.matches;
  const say = () => {
    button.setAttribute('aria-pressed', String(isDark()));
    button.textContent = isDark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', 'Dark page');
  };
  const kept = store((s) => s.getItem('paramspace-theme'));
  if (kept === 'dark' || kept === 'light') root.dataset.theme = kept;
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    store((s) => s.setItem('paramspace-theme', root.dataset.theme));
    say();
  });
  system.addEventListener('change', say);
  button.hidden = false;
  say();
}

// A study's name is shown once where its rows follow each other.
function nameOnce() {
  let last = null;
  for (const row of all('#claims-table tbody tr')) {
    if (row.hidden) continue;
    row.classList.toggle('again', row.dataset.study === last);
    last = row.dataset.study;
  }
}

function sorting() {
  const body = find('#claims-table tbody');
  const heads = all('#claims-table th');
  const order = find('#order');
  const original = [...body.rows];

  function sort(column, direction) {
    const numeric = find('button', heads[column]).dataset.sort === 'number';
    const value = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === '' || y === '') return (x === '') - (y === ''); // Last, always.
      const gap = numeric ? x - y : x.localeCompare(y, 'en');
      return direction === 'ascending' ? gap : -gap;
    };
    body.append(...[...original].sort(compare));
    heads.forEach((head, i) =>
      head.setAttribute('aria-sort', i === column ? direction : 'none'));
    nameOnce();
  }

  heads.forEach((head, i) => {
    const button = find('button', head);
    button.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') === 'ascending';
      sort(i, up ? 'descending' : 'ascending');
      order.value = '';
    });
    order.append(new Option(button.textContent, i));
  });
  order.prepend(new Option('topic', ''));
  order.value = '';
  order.addEventListener('change', () => {
    if (order.value !== '') return sort(Number(order.value), 'ascending');
    body.append(...original);
    heads.forEach((head) => head.setAttribute('aria-sort', 'none'));
    nameOnce();
  });
}

function filtering() {
  const form = find('#tools');
  const rows = all('#claims-table tbody tr');
  const cards = all('.card');
  // Of a card what is read, not the values of its figure.
  const words = (e) => e.matches('tr') ? e.textContent :
    all('header, .aside, .command', e).map((x) => x.textContent).join(' ');
  const text = new Map(
    [...rows, ...cards].map((e) => [e, words(e).toLowerCase()]));

  function apply() {
    const wanted = find('#search').value.toLowerCase().split(/\s+/);
    const topic = find('#topic').value;
    const kinds = find('[name=verdict]:checked').value.split(' ');
    const passes = (e) =>
      wanted.every((word) => text.get(e).includes(word)) &&
      (!topic || e.dataset.topic === topic) &&
      kinds.some((k) => !k || e.dataset.kind.split(' ').includes(k));
    for (const e of [...rows, ...cards]) e.hidden = !passes(e);
    const count = (list) =>
      `${list.filter((e) => !e.hidden).length} of ${list.length}`;
    find('#shown').textContent =
      `${count(rows)} claims, ${count(cards)} figures`;
    find('.none').hidden = cards.some((card) => !card.hidden);
    nameOnce();
  }

  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  // A link to a card that the filter hides shows it.
  addEventListener('hashchange', () => {
    const card = document.getElementById(location.hash.slice(1));
    if (!card?.hidden) return;
    form.reset();
    apply();
    card.scrollIntoView();
  });
  form.hidden = false;
  apply();
}

function copying() {
  for (const button of all('.copy')) {
    button.addEventListener('click', async () => {
      const say = (word) => {
        button.textContent = word;
        setTimeout(() => (button.textContent = 'Copy'), 1500);
      };
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        say('Copied');
      } catch {
        // A page from a file may not write there: leave it selected.
        getSelection().selectAllChildren(find('code', button.parentElement));
        say('Selected');
      }
    });
  }
}

// Puts the tip beside what it is about, again when the page is scrolled.
let place = () => {};

// The values of one figure, by pointer and by key.
function pointing(figure) {
  const plot = find('.plot', figure);
  const svg = find('svg', plot);
  const { panels, series } = JSON.parse(find('script', figure).textContent);
  const tip = find('#tip');
  const ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  const nearEnough = 28; // Pixels of the screen.
  let at = null; // Series and point that are shown.
  ring.setAttribute('class', 'ring');
  ring.setAttribute('r', 5);

  function hide() {
    tip.hidden = true;
    ring.remove();
  }

  function say(i, j) {
    const { panel, name, color, points } = series[i];
    const [, , x, y] = points[j];
    const labels = panels[panel];
    const title = document.createElement('b');
    const dot = document.createElement('i');
    dot.style.background = color;
    title.append(dot, name || labels.title || labels.y);
    const lines = [[labels.x, x], [labels.y || labels.title, y]].map(([label, value]) => {
      const line = document.createElement('div');
      line.textContent = label ? `${label}: ${value}` : value;
      return line;
    });
    tip.replaceChildren(title, ...lines);
  }

  function show(i, j) {
    at = [i, j];
    const [x, y] = series[i].points[j];
    ring.setAttribute('cx', x);
    ring.setAttribute('cy', y);
    svg.append(ring);
    say(i, j);
    tip.hidden = false;
    place = beside;
    place();
  }

  function beside() {
    const box = ring.getBoundingClientRect();
    const [w, h] = [tip.offsetWidth, tip.offsetHeight];
    const left = Math.min(box.right + 8, innerWidth - w - 8);
    const top = box.top - h - 8 < 0 ? box.bottom + 8 : box.top - h - 8;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${top}px`;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    let best = nearEnough;
    let found = null;
    series.forEach(({ points }, i) => points.forEach(([x, y], j) => {
      const distance = Math.hypot(
        box.left + x * scale - event.clientX,
        box.top + y * scale - event.clientY);
      if (distance < best) [best, found] = [distance, [i, j]];
    }));
    return found;
  }

  function point(event) {
    const found = nearest(event);
    if (found) show(...found);
    else hide();
  }

  function step(event) {
    if (event.key === 'Escape') return hide();
    const [i, j] = at ?? [0, -1];
    const size = (k) => series[k].points.length;
    const other = (k) => (k + series.length) % series.length;
    const bound = (k, n) => Math.min(Math.max(n, 0), size(k) - 1);
    const across = (k) => [k, bound(k, j)];
    const to = {
      ArrowRight: () => [i, bound(i, j + 1)],
      ArrowLeft: () => [i, bound(i, j - 1)],
      ArrowDown: () => across(other(i + 1)),
      ArrowUp: () => across(other(i - 1)),
      Home: () => [i, 0],
      End: () => [i, size(i) - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    show(...to());
    // Where the figure is wider than its place, the point comes into view.
    const box = ring.getBoundingClientRect();
    const view = plot.getBoundingClientRect();
    if (box.left < view.left || box.right > view.right) {
      plot.scrollLeft += box.left - view.left - view.width / 2;
      place();
    }
  }

  if (!series.length) return;
  plot.addEventListener('pointermove', point);
  plot.addEventListener('pointerdown', point);
  plot.addEventListener('pointerleave', hide);
  plot.addEventListener('keydown', step);
  plot.addEventListener('blur', hide);
}

theming();
sorting();
filtering();
copying();
all('figure').forEach(pointing);
addEventListener('scroll', () => place(), { passive: true, capture: true });
