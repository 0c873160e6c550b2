"""The peers of `peers.py` behind one interface, all on one thread: `PEERS[name](field, kind)` gives an encoder that takes a tolerance
over the range and a decoder; quantisers give a third function, the decoded values without the lossless coder, to search faster."""
import os

os.environ["OMP_NUM_THREADS"] = "1"
import fpzip, imagecodecs, pcodec.standalone, pysz
import numpy as np


def psnr(tolerance):
    return -20 * float(np.log10(tolerance))


def lattice(field):
    """Offset and step of which every value is exactly a multiple in float32, with at most 16 bits, or None."""
    levels = np.unique(field.values).astype("f8")
    gaps = np.diff(levels)
    step = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    for _ in range(3):  # the far levels sharpen the step
        counts = np.round((levels - levels[0]) / step)
        step = float(counts @ (levels - levels[0]) / (counts @ counts))
    exact = np.array_equal((levels[0] + counts * step).astype("f4"), levels.astype("f4"))
    return (levels[0], step) if exact and counts[-1] < 65536 else None


def sperr(f, kind):
    def encode(t):
        mode = {"mode": "psnr", "level": psnr(t)} if kind == "nrmse" else {"mode": "pwe", "level": t * f.span}
        chunks = f.values.shape if f.values.ndim == 3 else None
        return imagecodecs.sperr_encode(f.values, chunks=chunks, numthreads=1, **mode)

    return encode, lambda s: imagecodecs.sperr_decode(s, numthreads=1)


def sz3(f, kind):
    def encode(t):
        config = pysz.szConfig()
        config.errorBoundMode, config.absErrorBound = pysz.szErrorBoundMode.ABS, t * f.span
        return pysz.sz.compress(f.values, config)[0]

    return encode, lambda s: pysz.sz.decompress(s, np.float32, f.values.shape)[0]


def zfp(f, kind):
    mode = imagecodecs.ZFP.MODE.REVERSIBLE if kind == "lossless" else imagecodecs.ZFP.MODE.FIXED_ACCURACY
    return (lambda t: imagecodecs.zfp_encode(f.values, level=t * f.span, mode=mode, execution="serial"),
            imagecodecs.zfp_decode)


def jpeg2000(f, kind):
    scale = (2**20 - 1) / f.span

    def encode(t):
        whole = np.round((f.values - np.float64(f.low)) * scale).astype("u4")
        options = {"level": psnr(t), "codecformat": "j2k", "reversible": False, "bitspersample": 20, "numthreads": 1}
        return [imagecodecs.jpeg2k_encode(q, **options) for q in f.slices(whole)]

    def decode(streams):
        whole = np.stack([imagecodecs.jpeg2k_decode(s, numthreads=1) for s in streams])
        return (whole / scale + f.low).astype("f4").reshape(f.values.shape)

    return encode, decode


def quantised(f, kind, dtype, compress, decompress):
    """A lossless integer coder behind a uniform quantiser; when lossless, behind the data's own packing lattice, if it has one."""
    own = lattice(f) if kind == "lossless" else None
    low, whole_step = own or (f.low, None)

    def step(t):
        return whole_step or t * f.span

    def quantise(t):
        return np.round((f.values - low) / step(t)).astype(dtype)

    def decode(stream):
        t, body = stream
        return (decompress(body).reshape(f.values.shape) * step(t) + low).astype("f4")

    def error(t):  # the same arithmetic without the lossless coder, for the search
        return (quantise(t) * step(t) + low).astype("f4")

    return (lambda t: (t, compress(quantise(t)))), decode, error


def jpeg_xl(f, kind):
    def compress(whole):
        if whole.dtype == "u4" and whole.max() > 65535:
            raise ValueError("more than 16 bits")
        whole = whole.astype("u2") if whole.dtype == "u4" else whole
        return [imagecodecs.jpegxl_encode(s, lossless=True, effort=7, numthreads=1) for s in f.slices(whole)]

    def decompress(streams):
        return np.stack([imagecodecs.jpegxl_decode(s, numthreads=1) for s in streams]).reshape(f.values.shape)

    if kind == "lossless" and lattice(f) is None:
        return lambda t: compress(f.values), decompress
    return quantised(f, kind, "u4", compress, decompress)


PCO = pcodec.ChunkConfig(compression_level=8)


def pco(f, kind):
    if kind == "lossless":
        return (lambda t: pcodec.standalone.simple_compress(f.values.ravel(), PCO),
                lambda s: pcodec.standalone.simple_decompress(s).reshape(f.values.shape))
    return quantised(f, kind, "u4", lambda q: pcodec.standalone.simple_compress(q.ravel(), PCO), pcodec.standalone.simple_decompress)


def fpz(f, kind):
    def encode(t):  # precision in bits
        bits = 0 if kind == "lossless" else int(np.clip(np.ceil(-np.log2(t)), 2, 31))
        return fpzip.compress(f.values, precision=bits, order="C")

    return encode, lambda s: fpzip.decompress(s, order="C").reshape(f.values.shape)


PEERS = {"SPERR": sperr, "SZ3": sz3, "zfp": zfp, "JPEG 2000": jpeg2000, "JPEG XL": jpeg_xl, "pco": pco, "fpzip": fpz}
LOSSLESS = {"zfp", "JPEG XL", "pco", "fpzip"}


def size(stream):
    if isinstance(stream, (list, tuple)):
        return sum(size(s) for s in stream)
    return 8 if isinstance(stream, float) else len(stream)  # 8: the quantiser's step and offset
