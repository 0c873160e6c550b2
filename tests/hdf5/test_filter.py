"""Types, byte orders, fill values, padding, and what must fail."""

import os
import subprocess

import netCDF4
import h5py
import numpy as np
import pytest
from conftest import BOUND, ID, close, is_hiha, python, run, words


def write(path, data, kind="max_abs", value=BOUND, **more):
    with h5py.File(path, "w") as f:
        more.setdefault("chunks", data.shape)
        f.create_dataset("field", data=data, compression=ID, compression_opts=words(kind, value), **more)
    assert is_hiha(path)
    with h5py.File(path) as f:
        return f["field"][:]


def test_plugin_stays_out_of_the_way():
    """Only libc and the compiler's runtime are linked; only the documented names are exported."""
    plugin = f"{os.environ['HIHA_PLUGIN_DIR']}/libh5zhiha.so"
    needed = {w.split("[")[1].rstrip("]") for w in run("readelf", "-d", plugin).splitlines() if "NEEDED" in w}
    assert all(n.startswith(("libc.", "libgcc_s.", "ld-linux", "libm.")) for n in needed), needed
    exported = {w.split()[-1] for w in run("nm", "-D", "--defined-only", plugin).splitlines()}
    assert exported == {"H5PLget_plugin_info", "H5PLget_plugin_type", "NCZ_get_codec_info"}


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
@pytest.mark.parametrize("chunks", [(24, 91, 180), (5, 40, 77), (1, 91, 180), (1, 1, 180)])
def test_floats(tmp_path, original, dtype, chunks):
    data = original["field"].astype(dtype)
    bound = 0.5 if dtype[1:] == "f2" else BOUND
    assert close(write(tmp_path / "a.h5", data, value=bound, chunks=chunks), data, bound)


@pytest.mark.parametrize("code", "bBhHiIqQ")
@pytest.mark.parametrize("order", "<>")
def test_integers(tmp_path, code, order):
    y, x = np.mgrid[0:60, 0:90]
    data = (40 + 30 * np.sin(x / 9) + y / 3).astype(np.dtype(order + code))
    assert close(write(tmp_path / "a.h5", data, value=2.0, chunks=(32, 50)), data, 2)
    assert np.array_equal(write(tmp_path / "b.h5", data, "lossless", 0.0), data)
    # A relative bound is meant for floats: integers of the same file stay as they are.
    assert np.array_equal(write(tmp_path / "c.h5", data, "nrmse", 0.1), data)


@pytest.mark.parametrize("shape", [(5000,), (7,), (1,), (9, 7), (3000, 2), (3000, 4)])
def test_coordinates_and_small_arrays_are_exact(tmp_path, shape):
    data = np.random.default_rng(1).normal(size=shape)
    assert np.array_equal(write(tmp_path / "a.h5", data, value=10.0), data)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind,value", [("max_abs", 0.01), ("max_rel", 1e-4), ("nrmse", 1e-3)])
def test_fill_and_nan(tmp_path, original, order, kind, value):
    data = original["field"][:6].astype(order + "f4")
    data[:, 20:40, 30:90] = -9999
    data[:, 50:60, :9] = np.nan
    got = write(tmp_path / "a.h5", data, kind, value, fillvalue=-9999, chunks=(6, 50, 100))
    assert np.array_equal(got == -9999, data == -9999)
    assert np.array_equal(np.isnan(got), np.isnan(data))
    plain = np.isfinite(data) & (data != -9999)
    span = np.ptp(data[plain].astype(float))
    error = np.abs(got.astype(float) - data)[plain]
    if kind == "nrmse":
        assert np.sqrt(np.mean(error**2)) <= value * span
    else:
        assert error.max() <= (value if kind == "max_abs" else value * span)


@pytest.mark.parametrize("fill", ["library", "netcdf"])
def test_padding_of_edge_chunks(tmp_path, original, fill):
    """Padding must not stretch the range that a relative bound refers to."""
    data = original["field"][:5] + np.float32(1000)
    more = {} if fill == "library" else {"fillvalue": np.float32(netCDF4.default_fillvals["f4"])}
    got = write(tmp_path / "a.h5", data, "max_rel", 1e-3, chunks=(4, 64, 128), **more)
    assert close(got, data, 1e-3 * np.ptp(data))


def test_nccopy_with_padded_chunks(tmp_path, original, plain):
    """netCDF-C declares its default fill value, and pads with it."""
    value = words("max_rel", 1e-3)
    run("nccopy", "-M", "0", "-F", f"field,{ID},{','.join(map(str, value))}", "-c", "time/5,latitude/64,longitude/128",
        plain, tmp_path / "a.nc")
    assert is_hiha(tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as f:
        assert not np.ma.is_masked(f["field"][:])
        assert close(f["field"][:], original["field"], 1e-3 * np.ptp(original["field"]))


def test_unlimited_dataset_grows(tmp_path, original):
    path, data = tmp_path / "a.h5", original["field"]
    with h5py.File(path, "w") as f:
        f.create_dataset("field", (0, 91, 180), "f4", maxshape=(None, 91, 180), chunks=(4, 91, 180),
                         compression=ID, compression_opts=words())
    for step in range(6):
        with h5py.File(path, "a") as f:
            f["field"].resize(step + 1, axis=0)
            f["field"][step] = data[step]
    with h5py.File(path) as f:
        # The chunk is encoded again at each step, from its decoded self.
        assert close(f["field"][:], data[:6], 4 * BOUND)


def test_strings_are_exact(tmp_path):
    names = np.array([b"abc", b"de"] * 50)
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_dataset("s", data=names, chunks=(100,), compression=ID, compression_opts=words())
    with h5py.File(tmp_path / "a.h5") as f:
        assert np.array_equal(f["s"][:], names)
    cdl = 'netcdf t { dimensions: n = 3; k = 4; variables: char c(n, k); data: c = "abcd", "efgh", "ijkl"; }'
    (tmp_path / "t.cdl").write_text(cdl)
    run("ncgen", "-4", "-o", tmp_path / "t.nc", tmp_path / "t.cdl")
    run("nccopy", "-M", "0", "-F", f"*,{ID},1,0.5d", tmp_path / "t.nc", tmp_path / "u.nc")
    assert is_hiha(tmp_path / "u.nc", "c")
    assert 'c =\n  "abcd",\n  "efgh",\n  "ijkl"' in run("ncdump", tmp_path / "u.nc")


def test_booleans_and_structures_are_exact(tmp_path):
    rng = np.random.default_rng(2)
    flags = rng.random((80, 90)) < 0.3
    pairs = np.zeros((40, 50), [("a", "<f4"), ("b", "<i2")])
    pairs["a"], pairs["b"] = rng.normal(size=(40, 50)), 7
    for data in (flags, pairs):
        assert np.array_equal(write(tmp_path / f"{data.dtype.kind}.h5", data, value=3.0), data)


@pytest.mark.parametrize("opts,why", [((9, 0, 0x3FF00000), "bound kind"), ((1, 1), "floating point number"),
                                      ((1, 0, 0x3FF00000, 5, 1 << 20), "flags")])
def test_wrong_parameters_are_named(tmp_path, opts, why):
    with h5py.File(tmp_path / "a.h5", "w") as f, pytest.raises(Exception, match=why):
        f.create_dataset("a", data=np.zeros((50, 50)), chunks=(50, 50), compression=ID, compression_opts=opts)


def test_a_filter_before_ours_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f, pytest.raises(Exception, match="shuffle"):
        f.create_dataset("a", data=np.zeros((50, 50)), chunks=(50, 50), shuffle=True, compression=ID,
                         compression_opts=words())


@pytest.mark.parametrize("at", [0, 5, 20, 0.5, -1])
def test_a_damaged_chunk_is_an_error(tmp_path, original, at):
    path = tmp_path / "a.h5"
    write(path, original["field"][0])
    with h5py.File(path) as f:
        info = f["field"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    k = at if isinstance(at, int) and at >= 0 else int(info.size * at) if at == 0.5 else info.size - 1
    raw[info.byte_offset + k] ^= 0x10
    path.write_bytes(raw)
    with h5py.File(path) as f, pytest.raises(OSError):
        f["field"][:]
    with netCDF4.Dataset(path) as f, pytest.raises(RuntimeError):
        f["field"][:]
    message = run("h5dump", "--enable-error-stack", "-d", "/field", path, ok=None)
    assert "stream" in message and "hiha" in message, message
    run("cdo", "-s", "infon", path, ok=False)


def test_fork_after_use(tmp_path, original):
    write(tmp_path / "a.h5", original["field"])
    code = f"""
import h5py, multiprocessing as mp, sys
def total(p):
    with h5py.File(p) as f: return float(f["field"][:].sum())
def save(p):
    with h5py.File(p) as f: v = f["field"][:]
    with h5py.File(p + "w", "w") as f:
        f.create_dataset("field", data=v, chunks=v.shape, compression={ID}, compression_opts={words()})
    return True
if __name__ == "__main__":
    here = total(sys.argv[1]); save(sys.argv[1])
    with mp.get_context("fork").Pool(2) as pool:
        r = pool.map_async(total, [sys.argv[1]] * 4).get(60)
        assert r == [here] * 4
        assert pool.apply_async(save, [sys.argv[1] + ""]).get(60)
"""
    python(code, tmp_path / "a.h5")


def test_same_bytes_whatever_the_environment(tmp_path, plain):
    code = f"""
import h5py, sys
with h5py.File(sys.argv[1]) as f: v = f["field"].id.read_direct_chunk((0, 0, 0))[1]
sys.stdout.write(v.hex())
"""
    outs = set()
    for env in ({}, {"RAYON_NUM_THREADS": "1", "HIHA_DEBUG": "1", "LC_ALL": "de_DE"}):
        out = tmp_path / f"{len(env)}.nc"
        subprocess.run(["nccopy", "-M", "0", "-F", f"field,{ID},1,0.01d", plain, out], check=True, env=os.environ | env)
        outs.add(python(code, out))
    assert len(outs) == 1


@pytest.mark.parametrize("dtype,code", [("<f4", 3), (">f4", 0x83), ("<f8", 4), (">f8", 0x84), ("<f2", 1), (">i2", 0x8A),
                                        ("<u4", 13), ("u1", 9), ("<i8", 14)])
def test_streams_name_type_order_rank_and_bound(tmp_path, dtype, code):
    """The head of a stream (codec-spec/format.md): magic, version, type and order, rank and bound kind."""
    data = np.arange(6000).reshape(10, 20, 30).astype(dtype)
    for path, kind, chunks, rank, stored in [
        ("a", "max_abs", (10, 1, 30), 3, 1),
        ("b", "max_rel", (1, 20, 30), 3, 2 if "f" in dtype else 0),
        ("c", "max_abs", (1, 2, 3), 3, 0),
    ]:
        write(tmp_path / path, data, kind, 0.4, chunks=chunks)
        with h5py.File(tmp_path / path) as f:
            head = f["field"].id.read_direct_chunk((0, 0, 0))[1][:10]
        assert head[5] & (0x7F if dtype == "u1" else 0xFF) == code
        # 0.4 stands there in decimal.
        assert head[6] == rank | stored << 4 | (0x80 if stored else 0)
        assert tuple(head[7:10]) == chunks


def test_registration_in_process(tmp_path, original):
    """Without any plugin folder: H5Zregister with the class, as the command-line tool does."""
    code = f"""
import ctypes, glob, os, sys
plugin = os.environ.pop("HIHA_PLUGIN_DIR") + "/libh5zhiha.so"
os.environ["HDF5_PLUGIN_PATH"] = "/nonexistent"
import h5py, numpy as np
assert not h5py.h5z.filter_avail({ID})
hdf5 = ctypes.CDLL(glob.glob(os.path.dirname(os.path.dirname(h5py.__file__)) + "/h5py.libs/libhdf5-*.so*")[0])
lib = ctypes.CDLL(plugin)
lib.H5PLget_plugin_info.restype = ctypes.c_void_p
assert hdf5.H5Zregister(ctypes.c_void_p(lib.H5PLget_plugin_info())) >= 0
v = np.load(sys.argv[1])
with h5py.File(sys.argv[2], "w") as f:
    f.create_dataset("field", data=v, chunks=(1, 91, 180), compression={ID}, compression_opts={words()})
with h5py.File(sys.argv[2]) as f:
    assert np.abs(f["field"][:] - v).max() <= {BOUND}
"""
    np.save(tmp_path / "v.npy", original["field"])
    python(code, tmp_path / "v.npy", tmp_path / "a.h5")
    assert is_hiha(tmp_path / "a.h5")
