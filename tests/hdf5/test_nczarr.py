"""netCDF-C's Zarr v2 stores through the same plugin (netCDF-C 4.10 or newer, here in the netCDF4 wheel)."""

import json

import numpy as np
import pytest
from conftest import BOUND, ID, close, python, words

# netCDF4-python cannot set a filter: call the wheel's netCDF-C for that.
WRITE = f"""
import ctypes, glob, os, sys
import netCDF4, numpy as np
C = ctypes
root = os.path.dirname(os.path.dirname(netCDF4.__file__))
nc = C.CDLL(glob.glob(root + "/netcdf4.libs/libnetcdf*.so*")[0])
def call(name, *args):
    rc = getattr(nc, name)(*args)
    assert rc == 0, (name, rc)
url, values, endian = sys.argv[1], np.load(sys.argv[2]).astype("f4"), int(sys.argv[3])
chunks = [int(n) for n in sys.argv[4].split(",")]
f, v, dims = C.c_int(), C.c_int(), (C.c_int * 3)()
call("nc_create", url.encode(), 0x1000, C.byref(f))
for i, name in enumerate((b"time", b"latitude", b"longitude")):
    d = C.c_int()
    call("nc_def_dim", f, name, C.c_size_t(values.shape[i]), C.byref(d))
    dims[i] = d.value
call("nc_def_var", f, b"field", 5, 3, dims, C.byref(v))
call("nc_def_var_chunking", f, v, 0, (C.c_size_t * 3)(*chunks))
call("nc_def_var_endian", f, v, endian)
call("nc_def_var_filter", f, v, {ID}, C.c_size_t(3), (C.c_uint * 3)(*{words()}))
call("nc_enddef", f)
call("nc_put_var_float", f, v, values.ctypes.data_as(C.c_void_p))
call("nc_close", f)
"""
READ = """
import sys, netCDF4, numpy as np
with netCDF4.Dataset(sys.argv[1]) as f:
    np.save(sys.argv[2], np.ma.getdata(f["field"][:]))
"""


@pytest.mark.parametrize("endian", [1, 2])
@pytest.mark.parametrize("chunks", [(24, 91, 180), (7, 40, 100)])
def test_write_and_read(tmp_path, original, endian, chunks):
    path, values = tmp_path / "a.zarr", tmp_path / "v.npy"
    url = f"file://{path}#mode=zarr,file"
    np.save(values, original["field"])
    python(WRITE, url, values, str(endian), ",".join(map(str, chunks)))
    stored = list((path / "field").glob("[0-9]*"))
    assert len(stored) == np.prod([-(-n // c) for n, c in zip(original["field"].shape, chunks)])
    assert all(chunk.read_bytes()[:4] == b"HiHa" for chunk in stored)
    meta = json.loads((path / "field/.zarray").read_text())
    assert meta["dtype"] == "?<>"[endian] + "f4"
    assert {"id": "hiha", "max_abs": BOUND} in [meta["compressor"], *(meta["filters"] or [])]
    python(READ, url, tmp_path / "got.npy")
    assert close(np.load(tmp_path / "got.npy"), original["field"])


def test_a_damaged_chunk_is_an_error(tmp_path, original):
    path, values = tmp_path / "a.zarr", tmp_path / "v.npy"
    url = f"file://{path}#mode=zarr,file"
    np.save(values, original["field"])
    python(WRITE, url, values, "1", "24,91,180")
    chunk = path / "field/0.0.0"
    raw = bytearray(chunk.read_bytes())
    raw[len(raw) // 2] ^= 1
    chunk.write_bytes(raw)
    python(READ, url, tmp_path / "got.npy", ok=False)
