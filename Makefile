# Two commands for a new user: `make demo` and `make test`. Everything else is detail.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# One thread a process: more only fight for the cores that the emulated devices need.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-native test-aarch64 test-avx512 test-sanitized fuzz lint types docs bench-kernels clean

demo: $(VENV)/.bench
	$(BIN)/coinfer run quickstart

# Tests of real devices come after the others, with the cores for themselves.
TEST_WORKERS ?= auto
test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not alone" -n $(TEST_WORKERS) --dist loadfile
	$(BIN)/python -m pytest -m alone

# The C++ core with a driver of its own, without Python: here with sanitizers, and on an emulated
# aarch64 (Debian: g++-aarch64-linux-gnu, qemu-user).
test-native:
	$(MAKE) -C tests/native check SANITIZE=address,undefined

test-aarch64:
	$(MAKE) -C tests/native check CROSS=aarch64-linux-gnu RUN=qemu-aarch64

# On an emulated CPU with AVX-512, for machines that have none (needs: see the script).
KERNEL ?= $(lastword $(sort $(wildcard /boot/vmlinuz-*)))
test-avx512:
	$(MAKE) -C tests/native ../../build/native-static/driver LINK=-static BUILD=../../build/native-static
	tests/native/emulate.sh build/native-static/driver tests/kernels/fixtures build/emulated "$(KERNEL)"

# The Python tests of the kernels with an extension that is built with sanitizers. Python itself
# is not, so their libraries are loaded ahead of it, and what it leaks is its own affair.
SANITIZED := build/sanitized
test-sanitized: $(VENV)/.test
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r kernels/coinfer_kernels $(SANITIZED) && rm -f $(SANITIZED)/coinfer_kernels/*.so
	COINFER_SANITIZE=address,undefined $(BIN)/python setup.py -q build_ext \
	    --build-lib $(SANITIZED) --build-temp $(SANITIZED)/objects
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	    PYTHONPATH=$(SANITIZED) $(BIN)/python -m pytest tests/kernels

# Needs clang. FUZZ_SECONDS is split between the targets.
FUZZ_SECONDS ?= 60
fuzz:
	$(MAKE) -C tests/fuzz run FUZZ_SECONDS=$(FUZZ_SECONDS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

# The site, into build/site; a page that is not in mkdocs.yml or a dead link fails it. The variable
# silences an advertisement of the theme.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# The tests pin themselves to one CPU where the system allows it.
KERNELS_JSON ?= build/kernels.json
bench-kernels: $(VENV)/.perf
	mkdir -p $(dir $(KERNELS_JSON))
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/perf -q --benchmark-only --benchmark-quiet \
	    --benchmark-json=$(KERNELS_JSON)
	$(BIN)/coinfer report $(KERNELS_JSON)

SOURCES := pyproject.toml setup.py constraints.txt $(shell find csrc -type f)

$(VENV)/.bench $(VENV)/.test $(VENV)/.perf $(VENV)/.dev: $(VENV)/.%: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) build dist kernels/coinfer_kernels/*.so
