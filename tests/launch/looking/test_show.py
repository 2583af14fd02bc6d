from paramspace.launch import errors


def test_all_that_is_known_of_a_point_is_shown(place, look):
  folder = place.finish(result={'loss': float('nan')}, rate=0.25)
  place.save(folder, 30)
  place.save(folder, 4)
  code, out, _ = look('show', folder.name[:6])
  assert code == errors.DONE
  lines = out.splitlines()
  size = (folder / 'artifacts' / 'theta.npz').stat().st_size
  assert lines[0] == f'{folder.name} done'
  assert 'checkpoints: 4, 30' in lines
  for line in (
    'loss = nan',
    'executor = inline',
    'rate = 0.25',
    'dims = [1, 2]',
    'step = 2',
    'git = abc',
    'versions = {"jax": "0.10.2"}',
    'ckpt/30/ = 1000 bytes',
    f'artifacts/theta.npz = {size} bytes',
  ):
    assert f'  {line}' in lines


def test_a_point_that_was_never_started_is_shown(place, look):
  place.list(place.path / ('a' * 16))
  assert look('show', 'a') == (errors.DONE, f'{"a" * 16} pending\n', '')


def test_a_row_of_a_group_has_the_state_that_status_says(place, look):
  row = place.begin()
  place.save(place.group('0' * 16, row), 3)
  assert look('show', row.name)[1].startswith(f'{row.name} preempted\n')


def test_an_ambiguous_beginning_is_one_line(place, look):
  place.list(*(place.path / ('a' + c + '0' * 14) for c in 'ab'))
  code, out, err = look('show', 'a')
  assert (code, out) == (errors.USAGE, '')
  (line,) = err.splitlines()
  assert "'a' is the beginning of 2 points: aa0" in line


def test_what_is_not_there_names_the_nearest(place, look):
  place.list(place.path / 'abcdefabcdefabcd')
  code, _, err = look('show', 'abcdefabcdefabce')
  assert code == errors.USAGE
  assert "did you mean 'abcdefabcdefabcd'" in err


def test_markup_in_a_name_is_text(place, look):
  folder = place.finish(result={'note': '[bold]x[/nope]'})
  assert '  note = [bold]x[/nope]' in look('show', folder.name)[1]
