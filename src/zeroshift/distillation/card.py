"""A student's model card."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.distillation.examples import Examples
from zeroshift.distillation.options import DistillOptions
from zeroshift.distillation.pairs import read_about
from zeroshift.distillation.students import Network

CARD = """---
library_name: zeroshift
pipeline_tag: image-to-image
tags: [image-to-image, distillation, zeroshift]
---

# {title}

A student of zeroshift: one pass of a small network makes an edit that takes its teacher, a diffusion model, many.

| | |
|---|---|
| directions | {directions} |
| architecture | `{architecture}`, {millions:.2f} million weights in float16{changes} |
| pictures | {size} x {size} pixels |
| teacher | {teachers} |
| pairs | {pairs} that its filters kept |
| training | {training} |

```python
from zeroshift.distillation.editing import StudentSpec
from zeroshift.distillation.opening import open_editor

open_editor("FOLDER").edit("photograph.jpg", StudentSpec(source="{source}", target="{target}")).image.save("edited.png")
```

It edits what its pairs showed, and is not to be trusted with other pictures. Its teacher's licence and that of the
photographs that it learned from go on in it.
"""


def card(student: Network, folders: Sequence[Path], examples: Examples, options: DistillOptions) -> str:
    """What a student is and what it was made of, as README.md has it."""
    told = [read_about(folder) for folder in folders]
    teachers = {f"{about.method} on {about.model} ({about.model_sha256[:12]})": None for about in told}
    budget = f"{options.minutes:g} minutes at most" if options.minutes else f"{options.steps} steps"
    return CARD.format(
        title=", ".join(f"{source} to {target}" for source, target in examples.directions),
        directions=", ".join(f"{source} → {target}" for source, target in examples.directions),
        architecture=student.architecture,
        millions=sum(parameter.numel() for parameter in student.parameters()) / 1e6,
        changes=f", which change the model {options.base}" if options.architecture == "one-step" else "",
        size=examples.size,
        teachers=", ".join(teachers),
        pairs=len(examples.pairs),
        training=f"{budget} of batches of {options.batch}, seed {options.seed}",
        source=examples.directions[0][0],
        target=examples.directions[0][1],
    )
