# make build    release build: library, program `hiha`, HDF5 plugin
# make test     everything that CI runs; installs what it needs
# make demo     compress the shipped sample (and DATA=file.nc), read it back, draw the difference
# make bench    criterion benches; benches/gpu/run is the one for a GPU
# make install  program and plugin under PREFIX
# make fuzz     fuzz the decoder for FUZZ_SECONDS

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PREFIX ?= /usr/local
DATA ?=
BOUND ?= --max-rel 1e-3
FUZZ_SECONDS ?= 60

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
RELEASE := $(TARGET)/release
DEBUG := $(TARGET)/debug
VENV := $(CURDIR)/build/venv
# All but `ablation`, which is for benches alone.
FEATURES := --features bench,cli,cuda,zarr
LIBRARIES := build-essential pkg-config libhdf5-dev libnetcdf-dev
READERS := netcdf-bin python3 python3-netcdf4
TEST_TOOLS := netcdf-bin hdf5-tools cdo nco python3-venv

.PHONY: build test lint unit programs doc fuzz-build demo bench install fuzz packages-build packages-test packages-demo
.DEFAULT_GOAL := build

# The plugin by itself: beside the program it would get the program's features, and link what they link.
build: packages-build
	cargo build --release $(FEATURES)
	cargo build --release -p hiha-hdf5

test: packages-test lint unit programs doc fuzz-build
	@echo "make test: all passed"

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

# The kernels are compiled by the NVRTC from PyPI; no GPU is needed.
unit: $(VENV)/ready
	@export HIHA_NVRTC=$$(echo $(VENV)/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12); \
	if cargo nextest --version >/dev/null 2>&1; then \
	    cargo nextest run --workspace $(FEATURES); \
	else \
	    cargo test --workspace --lib --bins --tests $(FEATURES); \
	fi
	cargo test --doc $(FEATURES)

# Real programs read what `hiha` and the plugin write.
programs: $(VENV)/ready
	cargo build $(FEATURES)
	cargo build -p hiha-hdf5
	mkdir -p build/plugin
	cp $(DEBUG)/libh5zhiha.so build/plugin/
	HIHA=$(DEBUG)/hiha HIHA_PLUGIN_DIR=build/plugin $(VENV)/bin/python -m pytest -q tests/programs
	HIHA=$(DEBUG)/hiha HIHA_PLUGIN_DIR=build/plugin $(VENV)/bin/python -m pytest -q tests/hdf5

$(VENV)/ready: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(FEATURES)

# cargo-fuzz wants a nightly compiler's flags; a stable one takes them, too, if told so.
FUZZ := RUSTC_BOOTSTRAP=1 cargo fuzz

# The fuzz targets must build, or they rot. Without cargo-fuzz they are built plainly.
fuzz-build:
	@if cargo fuzz --version >/dev/null 2>&1; then \
	    $(FUZZ) build; \
	else \
	    CARGO_TARGET_DIR=$(TARGET)/fuzz cargo build --manifest-path fuzz/Cargo.toml; \
	fi

# New inputs go to the first folder; the vectors are where the decoder's begin.
fuzz:
	mkdir -p fuzz/corpus/decode
	$(FUZZ) run decode fuzz/corpus/decode codec-spec/vectors -- -max_total_time=$(FUZZ_SECONDS)
	$(FUZZ) run round_trip -- -max_total_time=$(FUZZ_SECONDS)

demo: packages-demo build
	BOUND="$(BOUND)" scripts/demo $(RELEASE) build/demo examples/data/demo_t500_24h_2deg.nc $(DATA)

bench: packages-build
	cargo bench --bench '*' $(FEATURES)

install: build
	install -D -m 755 $(RELEASE)/hiha $(DESTDIR)$(PREFIX)/bin/hiha
	install -D -m 755 $(RELEASE)/libh5zhiha.so $(DESTDIR)$(PREFIX)/lib/hdf5/plugin/libh5zhiha.so
	@echo "For HDF5 and netCDF programs: export HDF5_PLUGIN_PATH=$(PREFIX)/lib/hdf5/plugin"

packages-build:
	@scripts/packages $(LIBRARIES)
packages-test:
	@scripts/packages $(LIBRARIES) $(TEST_TOOLS)
packages-demo:
	@scripts/packages $(LIBRARIES) $(READERS)
