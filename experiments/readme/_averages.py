"""The table of what averaging does, study by study."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from experiments.readme import _results

Summary = Mapping[str, Any]
SIZES = (200_000, 2_000_000, 20_000_000, 100_000_000)


def averages() -> str:
  """Returns a row for every study that was run."""
  rows = []
  for name, (title, sentence) in STUDIES.items():
    found = _results.read(name)
    if found is not None:
      path = f'configs/averaging/{name}.py'
      rows.append(
        {
          'study': f'[{title}]({path})',
          'found': sentence(found['summary']),
        }
      )
  return _results.markdown(rows)


def speed() -> str:
  """Returns the sentence on what averaging costs."""
  found = _results.read('averaging')
  if found is None:
    return 'Not measured yet.'
  found = found['summary']
  ratios = {
    size: [
      found[f'update/{name}/float32/{size}'][0]
      for name in ('uniform', 'ema', 'power')
    ]
    for size in SIZES
  }
  updates = ', '.join(
    f'{min(ratio):.2f} to {max(ratio):.2f} at D = {size:,}'
    for size, ratio in ratios.items()
  )
  exact = [
    found[f'update/ema, compensated/float32/{size}'][0] for size in SIZES
  ]
  return (
    'The time of an update over that of a pass that adds the parameters in '
    f'place: {updates} (compensated, {min(exact):.2f} to {max(exact):.2f}). '
    'Averaging every step makes a step of the CIFAR network take '
    f'{found["step/as_optax"][0]:.2f} times as long. `combine` of 16 files of '
    f'250 MB takes {found["combine"][0]:.2f} times as long as to read them, '
    f'and {found["combine_peak_trees"]:.1f} of them in memory.'
  )


def _posthoc(found: Summary) -> str:
  return (
    f'test loss **{found["best_loss"][0]:.3f}** at the best width, sigma_rel '
    f'{found["best_sigma_rel"]:g}, chosen after training; '
    f'{found["last_loss"][0]:.3f} at the last iterate; parameters at .15 from '
    f'16 snapshots are {found["error_16/0.15"]:.1e} from those tracked, the '
    f'profile {found["residual_16/0.15"]:.4f}'
  )


def _swa(found: Summary) -> str:
  accuracy = lambda name: f'{100 * found[f"{name}_accuracy"][0]:.1f}'
  return (
    f'last iterate {accuracy("constant_last")}%, with its statistics estimated '
    f'again {accuracy("constant_last_pooled")}%; average with statistics '
    f'copied {accuracy("constant_copied")}%, averaged '
    f'{accuracy("constant_averaged")}%, estimated again '
    f'**{accuracy("constant_pooled")}%**; rate decayed to zero instead '
    f'{accuracy("linear_last")}%'
  )


def _language(found: Summary) -> str:
  return (
    f'test loss {found["last_test_loss"][0]:.3f} at a constant rate, '
    f'**{found["best_test_loss"][0]:.3f}** averaged, '
    f'{found["decayed_test_loss"][0]:.3f} with the rate decayed; the mean of '
    f'the latest checkpoints leads at {found["lawa_leads"]:.0%} of the '
    'evaluations after the third'
  )


def _soups(found: Summary) -> str:
  points = lambda name: _interval(found[name], 100)
  return (
    'accuracy over that of the best model, in points: greedy soup '
    f'{points("greedy_gain_test")} in distribution, '
    f'{points("greedy_gain_out")} out of it; uniform '
    f'{points("uniform_gain_test")} and **{points("uniform_gain_out")}**'
  )


def _experts(found: Summary) -> str:
  gain = lambda name: _interval(found[f'{name}_gain'], 100)
  return (
    f'plain training {100 * found["plain_accuracy"][0]:.1f}%; experts that '
    'become one network gain, in points, '
    f'**{gain("apart_share_rate_0.1")}** at a share rate of 0.1, '
    f'{gain("apart_share_rate_0")} at 0'
  )


def _branches(found: Summary) -> str:
  of = lambda name, what: f'{found[f"{name}/{what}"][0]:.2f}'
  rows = [
    f'{name} forgets {of(name, "forgetting")}, learns {of(name, "learning")} '
    f'and moves {of(name, "distance")}'
    for name in ('BaM linear', 'BaM slerp', 'in slices')
  ]
  below = found['BaM linear/below_frontier'][0]
  return (
    'times what training in sequence does at the same rate: '
    f'{"; ".join(rows)}. Where both learn as much, BaM linear forgets '
    f'{abs(below):.3f} nats {"less" if below > 0 else "**more**"}'
  )


def _interval(measured: Any, scale: float) -> str:
  value, low, high = (scale * x for x in measured)
  return f'{value:+.2f} ({low:+.2f} to {high:+.2f})'


STUDIES: dict[str, tuple[str, Callable[[Summary], str]]] = {
  'posthoc_ema_fashion_fc': ('post-hoc EMA, Fashion-MNIST', _posthoc),
  'swa_cifar10_cnn': ('SWA and batch statistics, CIFAR-10', _swa),
  'swa_tinyshakespeare_gpt': ('EMA, LAWA, power, Shakespeare', _language),
  'soups_mnist': ('12 fine-tunes, MNIST to USPS', _soups),
  'experts_averaging_digits_vit': ('experts averaged, digits ViT', _experts),
  'experts_averaging_fashion_vit': (
    'the same, Fashion-MNIST, 2,000 images',
    _experts,
  ),
  'branch_and_merge_text': ('branch and merge, two texts', _branches),
}
