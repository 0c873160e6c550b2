"""Files that `hiha compress` writes, read by the programs that people use, through the plugin.

HIHA is the program, HIHA_PLUGIN_DIR the folder of libh5zhiha.so. A missing tool is a failure, not a skip.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HIHA = pathlib.Path(os.environ["HIHA"]).resolve()
# Before h5py and netCDF4 are imported: their HDF5 reads it once.
os.environ["HDF5_PLUGIN_PATH"] = str(pathlib.Path(os.environ["HIHA_PLUGIN_DIR"]).resolve())

import h5py  # noqa: E402
import netCDF4  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import xarray  # noqa: E402

SAMPLE = pathlib.Path(__file__).parents[2] / "examples/data/demo_t500_24h_2deg.nc"
BOUND = 0.02


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def raw(path, name="field"):
    """A variable by netCDF4, as it is stored."""
    with netCDF4.Dataset(path) as f:
        f.set_auto_maskandscale(False)
        return np.asarray(f[name][...])


def held(values):
    """Within the bound, and not the very same: the codec has worked."""
    original = raw(SAMPLE).astype("f8")
    values = np.asarray(values, "f8").reshape(original.shape)
    assert 0 < np.abs(values - original).max() <= BOUND


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "packed.nc"
    run(HIHA, "compress", SAMPLE, path, "--max-abs", BOUND)
    assert path.stat().st_size < raw(SAMPLE).nbytes / 4
    return path


def test_ncdump(packed):
    text = run("ncdump", "-v", "field", "-p", "9,17", packed)
    data = text[text.index(" field =") :]
    held([float(v) for v in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", data[data.index("=") :])])


def test_ncdump_header_is_kept(packed):
    def header(path):
        lines = run("ncdump", "-h", path).splitlines()[1:]
        return [line for line in lines if ":history" not in line]

    assert header(packed) == header(SAMPLE)


def test_h5dump(packed, tmp_path):
    out = tmp_path / "field.bin"
    run("h5dump", "-d", "/field", "-b", "LE", "-o", out, packed)
    held(np.fromfile(out, "<f4"))


def test_cdo(packed, tmp_path):
    out = tmp_path / "cdo.nc"
    run("cdo", "-s", "-f", "nc", "copy", packed, out)
    held(raw(out))
    error = run("cdo", "-s", "outputf,%.9g", "-timmax", "-fldmax", "-abs", "-sub", packed, SAMPLE)
    assert 0 < float(error) <= BOUND


def test_nco(packed, tmp_path):
    out = tmp_path / "nco.nc"
    run("ncks", "-O", "-3", "-v", "field", packed, out)
    held(raw(out))
    # From a classic file, so that the difference becomes one: ncbo would hand it to the filter again.
    plain = tmp_path / "plain.nc"
    run("ncks", "-O", "-3", "-v", "field", SAMPLE, plain)
    run("ncbo", "-O", "--op_typ=sub", "-v", "field", plain, packed, tmp_path / "difference.nc")
    assert np.abs(raw(tmp_path / "difference.nc")).max() <= BOUND * 1.000001


def test_h5py(packed):
    with h5py.File(packed) as f:
        held(f["field"][...])
        held_part = f["field"][3, 10:20, ::7]
    assert np.abs(held_part - raw(SAMPLE)[3, 10:20, ::7]).max() <= BOUND


def test_netcdf4(packed):
    held(raw(packed))
    for name in ("time", "latitude", "longitude"):
        assert np.array_equal(raw(packed, name), raw(SAMPLE, name))


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_xarray(packed, engine):
    with xarray.open_dataset(packed, engine=engine) as a, xarray.open_dataset(SAMPLE, engine=engine) as b:
        held(a["field"].values)
        assert a["field"].attrs == b["field"].attrs
        assert a["time"].equals(b["time"])


@pytest.mark.parametrize("first", ["h5py", "netCDF4"])
def test_h5py_and_netcdf4_in_one_process(packed, first):
    second = {"h5py": "netCDF4", "netCDF4": "h5py"}[first]
    code = f"""
import sys
import {first}
import {second}
import numpy as np
read = {{'h5py': lambda p: h5py.File(p)['field'][...], 'netCDF4': lambda p: np.asarray(netCDF4.Dataset(p)['field'][...])}}
a, b = read['{first}'](sys.argv[1]), read['{second}'](sys.argv[1])
assert np.array_equal(a, b)
np.save(sys.argv[2], a)
"""
    out = packed.with_name(f"{first}.npy")
    run(sys.executable, "-c", code, packed, out)
    held(np.load(out))


def test_decompressed_files_need_no_plugin(packed, tmp_path):
    plain = tmp_path / "plain.nc"
    run(HIHA, "decompress", packed, plain)
    code = "import sys, h5py, numpy; numpy.save(sys.argv[2], h5py.File(sys.argv[1])['field'][...])"
    environment = {k: v for k, v in os.environ.items() if k != "HDF5_PLUGIN_PATH"}
    subprocess.run([sys.executable, "-c", code, plain, tmp_path / "v.npy"], check=True, env=environment)
    assert np.array_equal(np.load(tmp_path / "v.npy"), raw(packed))


def test_through_zarr_and_back(packed, tmp_path):
    store, back = tmp_path / "store.zarr", tmp_path / "back.nc"
    run(HIHA, "compress", SAMPLE, store, "--max-abs", BOUND)
    run(HIHA, "decompress", store, back)
    held(raw(back))
    lines = [json.loads(line) for line in run(HIHA, "compare", SAMPLE, store, "--json").splitlines()]
    assert 0 < next(v for v in lines if v.get("var") == "field")["max_abs"] <= BOUND


def test_compare_agrees_with_numpy(packed):
    lines = [json.loads(line) for line in run(HIHA, "compare", SAMPLE, packed, "--json").splitlines()]
    told = next(v for v in lines if v.get("var") == "field")
    a, b = raw(SAMPLE).astype("f8"), raw(packed).astype("f8")
    error, span = np.abs(a - b), np.ptp(a)
    rmse = np.sqrt(np.mean(error**2))
    wanted = {
        "max_abs": error.max(),
        "max_rel": error.max() / span,
        "rmse": rmse,
        "nrmse": rmse / span,
        "psnr": 20 * np.log10(span / rmse),
        "range": span,
    }
    assert {k: told[k] for k in wanted} == pytest.approx(wanted, rel=1e-9)
    assert error[tuple(told["worst"])] == error.max()
    with h5py.File(packed) as f:
        assert told["bytes_b"] == f["field"].id.get_storage_size()


def test_compare_expectations(packed):
    run(HIHA, "compare", SAMPLE, packed, "--expect-max-abs", BOUND)
    run(HIHA, "compare", SAMPLE, packed, "--expect-max-abs", BOUND / 1000, code=1)
    run(HIHA, "compare", SAMPLE, packed, "--expect-lossless", code=1)
    run(HIHA, "compare", SAMPLE, SAMPLE, "--expect-lossless", "--expect-psnr", 300)
    run(HIHA, "compare", SAMPLE, packed, "--var", "nothing", code=2)
    run(HIHA, "compare", SAMPLE, packed.with_name("missing.nc"), code=2)


def test_compare_draws(packed, tmp_path):
    picture = tmp_path / "difference.png"
    run(HIHA, "compare", SAMPLE, packed, "--plot", picture)
    head = picture.read_bytes()[:24]
    width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and width > 800 and height > 800
    assert list(tmp_path.iterdir()) == [picture]


@pytest.mark.parametrize(
    "bound,value", [("nrmse", 1e-2), ("nrmse", 1e-3), ("psnr", 60), ("max_rel", 1e-4), ("max_abs", 0.05), ("lossless", None)]
)
def test_eval_tells_the_truth(bound, value):
    flag = ["--" + bound.replace("_", "-")] + ([value] if value else [])
    told = json.loads(run(HIHA, "eval", SAMPLE, *flag, "--json"))
    assert told["holds"] and told["bound"] == bound and told["shape"] == [24, 91, 180]
    assert told["bytes"] == sum(told["stages"].values())
    assert told["ratio"] == pytest.approx(raw(SAMPLE).nbytes / told["bytes"])
    if bound == "lossless":
        assert told["max_abs"] == 0
    elif bound == "psnr":
        assert told["psnr"] >= value
    else:
        assert told[bound] <= value * (1 + 1e-12)


def test_interrupted_compression_leaves_nothing(tmp_path):
    big = tmp_path / "big.nc"
    with netCDF4.Dataset(big, "w") as f:
        for name, n in (("time", 60), ("y", 500), ("x", 700)):
            f.createDimension(name, n)
        v = f.createVariable("t", "f4", ("time", "y", "x"), chunksizes=(1, 500, 700))
        v[...] = np.random.default_rng(1).normal(size=v.shape)
    out = tmp_path / "out.nc"
    process = subprocess.Popen([HIHA, "compress", big, out, "--max-rel", "1e-4", "--threads", "1"], stderr=subprocess.DEVNULL)
    for _ in range(500):
        if len(list(tmp_path.iterdir())) > 1:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert list(tmp_path.iterdir()) == [big]


def test_every_tool_is_here():
    for tool in ("ncdump", "h5dump", "cdo", "ncks", "ncbo"):
        assert shutil.which(tool), tool
