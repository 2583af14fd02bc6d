"""What the axes of Flax's and PyTorch's leaves are."""

import pytest

from paramspace import merging


@pytest.mark.parametrize(
  ('name', 'shape', 'expected'),
  [
    ('Dense_0/kernel', (3, 4), ('kernel', 0, 1, 1)),
    ('w', (3, 4), ('kernel', 0, 1, 1)),
    ('Conv_0/kernel', (3, 3, 8, 4), ('kernel', 0, 3, 1)),
    ('Attention/query/kernel', (8, 2, 4), ('kernel', 0, 1, 2)),
    ('Attention/out/kernel', (2, 4, 8), ('kernel', 0, 2, 1)),
    ('query/kernel', (8, 4), ('kernel', 0, 1, 1)),
    ('Embed_0/embedding', (11, 8), ('embedding', 0, 1, 1)),
    ('pos_embed', (1, 5, 8), ('embedding', 0, 2, 1)),
    ('up/weight', (4, 3), ('weight', 0, 1, 1)),
    ('conv/weight', (4, 8, 3, 3), ('weight', 0, 3, 1)),
    ('attention/in_proj_weight', (9, 3), ('weight', 0, 1, 1)),
    ('embed_tokens/weight', (11, 8), ('embedding', 0, 1, 1)),
    ('wte/weight', (11, 8), ('embedding', 0, 1, 1)),
    ('norm/weight', (8,), ('vector', 0, 0, 1)),
    ('norm/scale', (8,), ('vector', 0, 0, 1)),
    ('temperature', (), ('vector', 0, 0, 0)),
    ('layers/kernel', (6, 3, 4), ('kernel', 1, 1, 1)),
    ('layers/bias', (6, 4), ('vector', 1, 0, 1)),
  ],
)
def test_axes_follow_the_name_and_the_shape(name, shape, expected):
  assert merging.axes(name, shape, {'layers/.*': 1}) == expected


def test_a_leaf_without_the_stacked_axes_is_refused():
  with pytest.raises(
    ValueError, match=r"'layers/scale' of shape \[\] has no 1"
  ):
    merging.axes('layers/scale', (), {'layers/.*': 1})
