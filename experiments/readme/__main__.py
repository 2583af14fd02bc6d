"""See the package."""

from experiments import readme

text = readme.README.read_text('utf-8')
readme.README.write_text(readme.render(text), 'utf-8')
