"""The administration of people, classes and texts. What students did is shown by the sessions' own admin.

`base` is what all pages keep to; `people` are accounts, `classes` classes and their students, `texts` texts,
`guesses` the doors that wrong passwords and codes have closed.
"""

from classrooms.admin import classes, guesses, people, texts  # noqa: F401  (each registers its pages)
