"""Files written by each tool are read back by every other."""

import netCDF4  # first: both libraries then live in this process
import h5py
import numpy as np
import pytest
import xarray as xr
from conftest import BOUND, ID, SHORT, close, is_hiha, python, run, text_words, words


def by_nccopy(out, _, plain):
    run("nccopy", "-M", "0", "-F", f"*,{ID},1,{BOUND}d", "-c", "time/7,latitude/40,longitude/100", plain, out)


def by_nccopy_single_precision(out, _, plain):
    run("nccopy", "-M", "0", "-F", f"field,{ID},1,{BOUND}f", plain, out)


def by_h5repack(out, _, plain):
    layout = "field:CHUNK=7x40x100"
    run("h5repack", "-l", layout, "-f", f"field:UD={ID},0,3,{text_words()}", plain, out)


def by_ncks(out, _, plain):
    # NCO hands on one parameter, and filters every variable.
    run("ncks", "-O", f"--cmp={ID},{SHORT}", "--cnk_dmn", "time,7", "--cnk_dmn", "latitude,40", plain, out)


def by_h5py(out, original, _):
    with h5py.File(out, "w") as f:
        for name, v in original.items():
            chunks = (7, 40, 100) if v.ndim == 3 else True
            f.create_dataset(name, data=v, chunks=chunks, compression=ID, compression_opts=words())
        for axis, name in enumerate(("time", "latitude", "longitude")):
            f[name].make_scale(name)
            f["field"].dims[axis].attach_scale(f[name])


def by_xarray(engine):
    def write(out, _, plain):
        encoding = {"compression": ID, "compression_opts": words(), "chunksizes": (7, 40, 100)}
        with xr.open_dataset(plain) as ds:
            ds = ds.load()
        for v in ds.variables.values():
            v.encoding = {}
        ds.to_netcdf(out, engine=engine, encoding={"field": encoding})

    return write


WRITERS = {
    "nccopy": by_nccopy,
    "nccopy_f32": by_nccopy_single_precision,
    "h5repack": by_h5repack,
    "ncks": by_ncks,
    "h5py": by_h5py,
    "xarray_h5netcdf": by_xarray("h5netcdf"),
}


@pytest.fixture(scope="session", params=WRITERS)
def written(request, tmp_path_factory, original, plain):
    path = tmp_path_factory.mktemp(request.param) / "field.nc"
    WRITERS[request.param](path, original, plain)
    assert is_hiha(path)
    return path


def numbers(text):
    return np.array([float(w) for w in text.replace(",", " ").split()])


def test_ncdump(written, original):
    text = run("ncdump", "-p", "9,17", "-v", "field", written)
    body = text.split(" field =")[1].split(";")[0]
    assert close(numbers(body), original["field"].ravel(), BOUND + 1e-6)


def test_h5dump(written, original):
    text = run("h5dump", "-y", "-m", "%.9g", "-d", "/field", "-A", "0", "-w", "120", written)
    body = text.split("DATA {")[1].split("}")[0]
    assert close(numbers(body), original["field"].ravel(), BOUND + 1e-6)


def test_cdo(written, original, tmp_path):
    run("cdo", "-O", "-s", "-f", "nc4", "copy", written, tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as f:
        assert close(f["field"][:], original["field"])


def test_nco(written, original, tmp_path):
    run("ncks", "-O", "-v", "field", "-d", "time,3,5", written, tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as f:
        # ncks encodes again what it read.
        assert close(f["field"][:], original["field"][3:6], 2 * BOUND)


def test_both_libraries_in_one_process(written, original):
    with h5py.File(written) as a, netCDF4.Dataset(written) as b:
        assert close(a["field"][:], original["field"])
        assert np.array_equal(a["field"][:], np.ma.getdata(b["field"][:]))
        for name in ("time", "latitude", "longitude"):
            assert np.array_equal(a[name][:], original[name])
            assert np.array_equal(np.ma.getdata(b[name][:]), original[name])


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_xarray(written, original, engine):
    with xr.open_dataset(written, engine=engine, decode_times=False) as ds:
        assert close(ds["field"].values, original["field"])


def test_both_libraries_write_in_one_process(tmp_path, original):
    """Each library's set_local must reach its own HDF5."""
    code = f"""
import sys, netCDF4, h5py, numpy as np
v = np.load(sys.argv[1])
for first in ("h5py", "netcdf"):
    for who in (first, "h5py" if first == "netcdf" else "netcdf"):
        p = sys.argv[2] + "/" + first + who
        if who == "h5py":
            with h5py.File(p, "w") as f:
                f.create_dataset("field", data=v, chunks=(1, 91, 180), compression={ID}, compression_opts={words()})
        else:
            with netCDF4.Dataset(p, "w") as f:
                for n, s in zip("tyx", v.shape): f.createDimension(n, s)
                f.createVariable("field", "f4", ("t", "y", "x"))[:] = v
        with (h5py.File(p) if who == "h5py" else netCDF4.Dataset(p)) as f:
            assert np.abs(f["field"][:] - v).max() <= {BOUND}
"""
    np.save(tmp_path / "v.npy", original["field"])
    python(code, tmp_path / "v.npy", tmp_path)
    assert is_hiha(tmp_path / "h5pyh5py") and is_hiha(tmp_path / "netcdfh5py")


@pytest.mark.parametrize("tool", ["nccopy", "ncks", "h5repack"])
def test_copying_again_keeps_the_parameters(tool, tmp_path, original, plain):
    by_nccopy(tmp_path / "0.nc", original, plain)
    for i in range(3):
        a, b = tmp_path / f"{i}.nc", tmp_path / f"{i + 1}.nc"
        run(*{"nccopy": ("nccopy",), "ncks": ("ncks", "-O"), "h5repack": ("h5repack", "-l", "field:CHUNK=9x30x60")}[tool], a, b)
        assert is_hiha(b)
        with h5py.File(a) as fa, h5py.File(b) as fb:
            # Every pass keeps the bound to what it was given, and the coordinates exactly.
            assert close(fa["field"][:], fb["field"][:])
            assert np.array_equal(fb["latitude"][:], original["latitude"])
            stored = fb["field"].id.get_create_plist().get_filter(0)[2]
            user = stored[2 : 2 + stored[1]]
            assert stored[0] == 0x41484948 and user in (words(), (SHORT,))
            assert stored[3 + len(user) : 6 + len(user)] == fb["field"].chunks
