"""netCDF-C's Zarr v2 stores through the same plugin (netCDF-C 4.10 or newer, here in the netCDF4 wheel)."""

import json

import netCDF4
import numpy as np
import pytest
from conftest import BOUND, close, python


def store(path, order, chunks):
    """A Zarr v2 array without data, as any Zarr library may lay it out."""
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / "field").mkdir()
    meta = {"zarr_format": 2, "shape": [24, 91, 180], "chunks": chunks, "dtype": f"{order}f4", "order": "C",
            "fill_value": None, "filters": None, "compressor": {"id": "hiha", "max_abs": BOUND}}
    (path / "field/.zarray").write_text(json.dumps(meta))
    (path / "field/.zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time", "latitude", "longitude"]}')


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("chunks", [[24, 91, 180], [7, 40, 100]])
def test_write_and_read(tmp_path, original, order, chunks):
    path = tmp_path / "a.zarr"
    store(path, order, chunks)
    url = f"file://{path}#mode=zarr,file"
    with netCDF4.Dataset(url, "a") as f:
        f["field"][:] = original["field"]
    for chunk in (path / "field").glob("[0-9]*"):
        assert chunk.read_bytes()[:4] == b"HiHa"
    assert (path / "field/0.0.0").is_file()
    np.save(tmp_path / "v.npy", original["field"])
    python(
        f"import sys, netCDF4, numpy as np\n"
        f"with netCDF4.Dataset(sys.argv[1]) as f:\n"
        f"    assert np.abs(f['field'][:] - np.load(sys.argv[2])).max() <= {BOUND}\n",
        url, tmp_path / "v.npy",
    )
    assert json.loads((path / "field/.zarray").read_text())["compressor"] == {"id": "hiha", "max_abs": BOUND}
