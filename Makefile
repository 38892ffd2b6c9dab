# The few commands that people and CI use; CMakePresets.json has the builds behind them.
JOBS ?= $(shell nproc)
SHARED := ../shared
FIXTURES := build/fixtures
PARSERS := base checkpoint tokens formats model
space := $(subst ,, )

.PHONY: demo build test test-asan format check-format docs bench setup fixtures clean

demo: build
	@scripts/demo

build: setup
	@cmake --preset cpu >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset cpu -j $(JOBS)

test: build fixtures
	@cd build && ctest -j $(JOBS) --output-on-failure

# The parsers of files from strangers, under address and undefined-behaviour sanitizers.
test-asan: setup fixtures
	@cmake --preset asan >build/configure-asan.log 2>&1 || { cat build/configure-asan.log; exit 1; }
	@cmake --build --preset asan -j $(JOBS) --target $(PARSERS:%=test_%)
	@cd build-asan && ASSAY_FIXTURES=$(CURDIR)/$(FIXTURES) ctest -j $(JOBS) --output-on-failure -R '^($(subst $(space),|,$(PARSERS)))/'

# The pages that are made from the code.
docs: build
	@build/assay formats --markdown >docs/formats.md

# Speed of the forward pass on random weights in the shape of a 135M model; docs/performance.md says what else there is.
bench: build
	@test -d build/synthetic-135m || build/bench_synthetic build/synthetic-135m
	@build/bench_forward build/synthetic-135m

setup:
	@mkdir -p build
	@scripts/setup

# The ground truth stands beside the project where there is one; without it, tests that need it say so and are skipped.
fixtures:
	@if [ -x $(SHARED)/tools/unpack_fixtures ]; then $(SHARED)/tools/unpack_fixtures $(FIXTURES); fi

format:
	@git ls-files '*.cpp' '*.h' | xargs clang-format -i

check-format:
	@git ls-files '*.cpp' '*.h' | xargs clang-format --dry-run --Werror

clean:
	@rm -rf build build-asan build-cuda-off
