"""Common ground of the HDF5 tests: the plugin's folder, the fields, running tools.

HIHA_PLUGIN_DIR names the folder that holds libh5zhiha.so. A missing tool is a failure, not a skip.
"""

import os
import pathlib
import struct
import subprocess
import sys

PLUGINS = pathlib.Path(os.environ["HIHA_PLUGIN_DIR"]).resolve()
assert (PLUGINS / "libh5zhiha.so").is_file(), f"no libh5zhiha.so in {PLUGINS}"
# Before h5py and netCDF4 are imported: their HDF5 reads it once.
os.environ["HDF5_PLUGIN_PATH"] = str(PLUGINS)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

ID = 0x8848
SAMPLE = pathlib.Path(__file__).parents[2] / "examples/data/demo_t500_24h_2deg.nc"
BOUND = 0.01
KINDS = {"lossless": 0, "max_abs": 1, "max_rel": 2, "rmse": 3, "nrmse": 4, "psnr": 5}

# max_abs BOUND in one word (codec-spec/hdf5.md): an f32 rounded down, the kind in the low bits.
SHORT = ((struct.unpack("<I", struct.pack("<f", BOUND))[0] & ~3) << 1) | 1


def words(kind="max_abs", value=BOUND):
    """The filter's cd_values: bound kind, low and high word of the f64."""
    return (KINDS[kind], *struct.unpack("<II", struct.pack("<d", value)))


def text_words(kind="max_abs", value=BOUND):
    return ",".join(map(str, words(kind, value)))


def run(*command, ok=True):
    """Run a program; its standard output and error together."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ok is not None:
        assert (done.returncode == 0) == ok, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def python(code, *args, ok=True):
    """Run Python code in a fresh process."""
    return run(sys.executable, "-c", code, *args, ok=ok)


def is_hiha(path, name="field"):
    """Are all of the dataset's chunks HiHa streams?"""
    import h5py

    with h5py.File(path) as f:
        d = f[name]
        n = d.id.get_num_chunks()
        chunks = [d.id.read_direct_chunk(d.id.get_chunk_info(i).chunk_offset) for i in range(n)]
        return n > 0 and all(mask == 0 and data[:4] == b"HiHa" for mask, data in chunks)


def close(a, b, bound=BOUND):
    return np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))) <= bound


@pytest.fixture(scope="session")
def original():
    import netCDF4

    with netCDF4.Dataset(SAMPLE) as f:
        return {name: np.ma.getdata(v[:]) for name, v in f.variables.items()}


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """The sample without its filters: nccopy keeps a source's filters and then drops the one asked for."""
    path = tmp_path_factory.mktemp("plain") / "plain.nc"
    run("nccopy", "-F", "none", SAMPLE, path)
    return path
