# The commands of ReaderAI classroom. Plain make and sh; what needs thought lives in scripts/.
# Variables are given as in `make run HOST=0.0.0.0 PORT=9000 PYTHON=python3.12`; they reach the scripts
# through the environment.

UV = uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(LOCK_OPTIONS)

.PHONY: help run run-scaled test lint lock bench faults scene tour clean

help:
	@echo 'make run     serve the classroom on http://localhost:8000/ (HOST=0.0.0.0 for the network, PORT=, DATA_DIR=)'
	@echo 'make run-scaled  the same as several processes: nginx, WEB=2, WORKERS=2, PostgreSQL, Redis (PORT=, DATA_DIR=)'
	@echo 'make test    every check: ruff, the suite on SQLite, on PostgreSQL and Redis, on each Python found'
	@echo 'make lint    ruff alone'
	@echo 'make bench   the load benchmark in tests/load (ARGS="--help" lists its options)'
	@echo 'make faults  break things and count, as docs/promises.md says (ARGS="P1 --n 10", or ARGS="--help")'
	@echo 'make scene   play the demo scene in two browsers and leave its pictures in docs/screenshots'
	@echo 'make tour    take the pictures of docs/tour.md anew'
	@echo 'make lock    pin the dependencies of pyproject.toml again; LOCK_OPTIONS=--upgrade takes newer ones'
	@echo 'make clean   remove virtual environments and caches; the data in var/ stay'

# exec, so that Ctrl-C and SIGTERM reach the server and not a shell in between.
run:
	@exec sh scripts/python.sh scripts/run.py

run-scaled:
	@exec sh scripts/python.sh scripts/run_scaled.py

test:
	@exec sh scripts/python.sh scripts/run_tests.py

lint:
	@exec sh scripts/python.sh scripts/environment.py ruff check .

bench:
	@exec sh scripts/python.sh scripts/environment.py tests.load.bench $(ARGS)

faults:
	@exec sh scripts/python.sh scripts/environment.py tests.load.faults $(ARGS)

scene:
	@exec env SCENE_SCREENSHOTS=docs/screenshots SCENE_OFFLINE=10 sh scripts/python.sh scripts/environment.py pytest -q tests/browser/test_scene.py $(ARGS)

tour:
	@exec env TOUR=docs sh scripts/python.sh scripts/environment.py pytest -q tests/browser/tour.py $(ARGS)

# Universal locks with hashes for every platform and Python from 3.11 on, and without any index or file
# address: pip takes the files from wherever it is configured to look, and the hashes hold it to them.
lock:
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: pip install uv, or name it as in UV=/path/to/uv.' >&2; exit 1; }
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev --group bench -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv .venv-test-* .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
