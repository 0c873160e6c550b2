//! Streams with right checksums and headers, and noise where the coders read: every shape, type and method must
//! give an array or an error, whatever the build checks (overflow, bounds), and the same with any number of threads.

use hiha::{ByteOrder, DecodeOptions, Error, Reference};

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let x = self.0 ^ (self.0 >> 29);
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// Up to `n` bytes: noise, or few different ones, which drive the models to their ends.
    fn bytes(&mut self, n: u64) -> Vec<u8> {
        let n = self.below(n);
        let palette: &[u8] = [&[][..], &[0xff], &[0, 1], &[0, 0, 0, 0xff], &[0x80, 0x7f]][self.below(5) as usize];
        (0..n)
            .map(|_| match palette.len() as u64 {
                0 => self.next() as u8,
                k => palette[self.below(k) as usize],
            })
            .collect()
    }
    /// A finite number, often one at the end of the range.
    fn float(&mut self) -> [u8; 8] {
        let v = match self.below(6) {
            0 => f64::MAX,
            1 => f64::MIN,
            2 => 5e-324,
            3 => 0.0,
            _ => f64::from_bits(self.next() << 32 | self.next()),
        };
        if v.is_finite() { v } else { 1.0 }.to_le_bytes()
    }
}

fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

const SHAPES: [&[u64]; 24] = [
    &[1],
    &[2],
    &[7],
    &[33],
    &[257],
    &[5000],
    &[1, 5000],
    &[5000, 1],
    &[2, 2500],
    &[2500, 2],
    &[16, 300],
    &[17, 36],
    &[37, 33],
    &[15, 33],
    &[61, 85],
    &[3, 16, 17],
    &[33, 2, 2],
    &[600, 2, 3],
    &[2, 3, 1, 4, 5],
    &[2; 8],
    &[2, 1, 1, 700],
    &[5, 40, 41],
    &[1; 8],
    &[65, 4, 3],
];
const TYPES: [u8; 12] = [1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15];
const SIZES: [usize; 12] = [2, 2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8];

/// One that fits every array.
fn reference() -> Reference {
    Reference::new(vec![f32::MAX], &[1]).unwrap()
}

/// The mappings of a lattice: one, or at times one for each slice.
fn mappings(noise: &mut Noise, shape: &[u64], detail: &mut Vec<u8>) {
    let long: Vec<u64> = shape.iter().copied().filter(|&d| d > 1).collect();
    let slices: u64 = long[..long.len().saturating_sub(2)].iter().product();
    let each = noise.below(2) == 0 && slices > 1;
    if each {
        detail.push(3);
    }
    for _ in 0..if each { slices } else { 1 } {
        let mapping = if each { [1, 2, 4][noise.below(3) as usize] } else { [0, 1, 2, 4][noise.below(4) as usize] };
        detail.push(mapping);
        match mapping {
            0 => {
                varint(detail, noise.next() << noise.below(33));
                varint(detail, noise.next() << noise.below(33) | noise.below(2));
            }
            4 => varint(detail, noise.below(2148)),
            _ => {
                detail.extend(noise.float());
                detail.extend(noise.float());
            }
        }
        if mapping == 2 {
            varint(detail, noise.below(20));
            let nudges = noise.bytes(30);
            varint(detail, nudges.len() as u64);
            detail.extend(nudges);
        }
        varint(detail, noise.next() << noise.below(33) >> noise.below(64));
    }
}

fn stream(noise: &mut Noise, shape: &[u64]) -> Vec<u8> {
    let kind = noise.below(12) as usize;
    let mut out = b"HiHa\0".to_vec();
    out.push(TYPES[kind] | (noise.below(2) as u8) << 7);
    out.push(shape.len() as u8);
    shape.iter().for_each(|&d| varint(&mut out, d));
    let method = 2 + noise.below(2) as u8;
    out.push(method | (noise.below(2) as u8) << 7);
    let mut detail = Vec::new();
    if method == 2 {
        detail.extend(&noise.float()[3..]);
        detail.extend(&noise.float()[3..]);
        let axes = shape.iter().filter(|&&d| d > 1).count().saturating_sub(2);
        let (cuts, mut parts) = (noise.below(3), 0);
        detail.push((noise.below(2) + 2 * cuts) as u8);
        for _ in 0..cuts {
            let n = 1 + noise.below(4);
            parts += n;
            if axes > 0 && n > 1 && noise.below(2) == 0 {
                detail.push((16 + n) as u8);
                (1..n).for_each(|slice| varint(&mut detail, slice));
            } else {
                detail.push(n as u8);
            }
        }
        detail.extend((0..axes).map(|_| noise.below(2) as u8));
        for _ in 1..parts {
            varint(&mut detail, noise.below(1500));
        }
    } else {
        mappings(noise, shape, &mut detail);
        detail.push(noise.below(70) as u8);
    }
    let coded = noise.bytes(3000);
    detail.extend(coded);
    let mut sections = vec![(7, detail)];
    if noise.below(3) == 0 {
        let mut mask = vec![1 + 16 * (noise.next() % 2) as u8];
        mask.extend((0..SIZES[kind]).map(|_| noise.next() as u8));
        mask.extend(noise.bytes(400));
        sections.insert(0, (2, mask));
    }
    if noise.below(4) == 0 {
        let hash = reference().hash();
        let bytes = (0..hash.len()).step_by(2).map(|i| u8::from_str_radix(&hash[i..i + 2], 16).unwrap());
        sections.insert(sections.len() - 1, (3, bytes.collect()));
    }
    if noise.below(4) == 0 {
        let mut low = vec![2 + noise.below(4) as u8, 1 + noise.below(5) as u8, 7 + noise.below(60) as u8, 1];
        low.push(1 + noise.below(16) as u8);
        low.extend([noise.next() as u8, 0, 0, 0x40, noise.next() as u8, 0, 0, 0xc0]);
        low.extend(noise.bytes(300));
        sections.insert(sections.len() - 1, (4, low));
    }
    if noise.below(2) == 0 {
        let mut corrections = noise.float().to_vec();
        corrections.extend(noise.bytes(800));
        sections.push((8, corrections));
    }
    if noise.below(4) == 0 {
        let mut exact = vec![1];
        varint(&mut exact, noise.below(4));
        varint(&mut exact, noise.next() << 31);
        sections.push((9, exact));
    }
    out.push(sections.len() as u8);
    for (id, payload) in &sections {
        out.push(*id);
        varint(&mut out, payload.len() as u64);
    }
    sections.iter().for_each(|(_, payload)| out.extend(payload));
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out
}

#[test]
fn noise_behind_right_headers() {
    let mut noise = Noise(1);
    let (mut arrays, mut errors) = (0, 0);
    for case in 0..1200 {
        let stream = stream(&mut noise, SHAPES[case % SHAPES.len()]);
        let known = DecodeOptions { reference: Some(reference()), ..DecodeOptions::default() };
        let small = hiha::preview(&stream, 1 + case % 10, &known);
        match hiha::decode_with(&stream, &known) {
            Ok(array) => {
                arrays += 1;
                let mut again = vec![0; array.bytes().len()];
                let options = DecodeOptions { threads: 3, ..known };
                hiha::decode_into(&stream, &mut again, ByteOrder::NATIVE, &options).unwrap();
                assert!(again == array.bytes(), "case {case}");
                let small = small.unwrap_or_else(|e| panic!("case {case}: preview: {e}"));
                assert_eq!(small.cells.len(), array.shape().len());
                assert!(small.bytes_read <= stream.len(), "case {case}");
            }
            Err(Error::Corrupt { .. } | Error::Truncated { .. }) => errors += 1,
            Err(other) => panic!("case {case}: {other}"),
        }
    }
    // Most range-coded bytes mean something.
    assert!(arrays > 600 && errors > 20, "{arrays} arrays, {errors} errors");
}

#[test]
fn arrays_that_no_memory_holds() {
    for shape in [&[1u64 << 60][..], &[1 << 30, 1 << 18], &[2, 1 << 47], &[1 << 50, 2], &[1 << 20, 4, 1 << 28]] {
        for method in 0..5 {
            let mut out = b"HiHa\0\x03".to_vec();
            out.push(shape.len() as u8);
            shape.iter().for_each(|&d| varint(&mut out, d));
            // One section, detail, of which every method can read its parameters.
            out.extend([method, 1, 7, 40]);
            out.extend([0; 40]);
            let crc = crc32fast::hash(&out);
            out.extend(crc.to_le_bytes());
            let options = DecodeOptions { max_bytes: u64::MAX, ..DecodeOptions::default() };
            let error = hiha::decode_with(&out, &options).unwrap_err();
            assert!(matches!(error, Error::Limit { .. }), "{shape:?}, method {method}: {error}");
            let options = DecodeOptions::default();
            let error = hiha::preview(&out, 1 << 20, &options).unwrap_err();
            assert!(matches!(error, Error::Limit { .. }), "{shape:?}, method {method}: preview: {error}");
        }
    }
}
