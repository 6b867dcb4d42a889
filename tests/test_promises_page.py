"""docs/promises.md has a place for each proof that can be run, and for no other."""

import importlib
import re

from tests.load.faults.__main__ import PROOFS
from tests.load.faults.ground import ROOT


def test_every_proof_has_its_place_and_its_function():
    page = (ROOT / "docs" / "promises.md").read_text()
    assert re.findall(r"<!-- (P\d+): begin -->", page) == re.findall(r"<!-- (P\d+): end -->", page) == [*PROOFS]
    assert re.findall(r"^## (P\d+): ", page, re.MULTILINE) == [*PROOFS]
    for where, full, stacks in PROOFS.values():
        module, name = where.split(".")
        assert (importlib.import_module(f"tests.load.faults.{module}").__dict__[name].__doc__ or "").startswith("P")
        assert full > 0 and stacks
