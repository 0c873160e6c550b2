use super::*;

fn layout() -> Layout {
    Layout::new(DType::F32, ByteOrder::Big, &[1, 721, 1440], Some(0x7cf0_0000)).unwrap()
}

#[test]
fn completing_is_idempotent() {
    let user = Config::new(Bound::MaxAbs(0.01)).to_cd_values();
    let first = Params { layout: Some(layout()), ..Params::parse(&user).unwrap() };
    let again = Params::parse(&first.to_words()).unwrap();
    assert_eq!(again, first);
    assert_eq!(again.to_words(), first.to_words());
    assert_eq!(again.config().unwrap(), Config::new(Bound::MaxAbs(0.01)));
}

#[test]
fn every_layout_round_trips() {
    for dtype in DType::ALL {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            for fill in [None, Some(0), Some(u64::MAX)] {
                let layout = Layout::new(dtype, order, &[3, 1, 5], fill).unwrap();
                assert_eq!(Layout::from_words(&layout.to_words()).unwrap(), layout);
            }
        }
    }
}

#[test]
fn damaged_words_are_refused() {
    let words = Params { user: vec![0], layout: Some(layout()) }.to_words();
    for n in 1..words.len() - 1 {
        assert!(Params::parse(&words[..n]).is_err(), "{n}");
    }
    assert!(Params::parse(&words[..words.len() - 1]).is_err());
    assert!(Params::parse(&[&words[..], &[7]].concat()).is_err());
    for (i, bad) in [(1, u32::MAX), (3, 0xff), (3, 0x9_0003), (4, 0)] {
        let mut words = words.clone();
        words[i] = bad;
        assert!(Params::parse(&words).is_err(), "{words:?}");
    }
}

#[test]
fn single_precision_words_mean_their_decimal() {
    let f = 0.1f32.to_bits();
    for user in [&[1, f][..], &[1, f, 7], &[1, f, 7, 1], &[1, f, 0]] {
        let config = Params::parse(user).unwrap().config().unwrap();
        assert_eq!(config.bound, Bound::MaxAbs(0.1));
        assert_eq!(config.effort, if user.get(2) == Some(&7) { 7 } else { Config::DEFAULT_EFFORT });
    }
    let half = Config::new(Bound::MaxAbs(0.5)).to_cd_values();
    assert_eq!(Params::parse(&half[..3]).unwrap().config().unwrap().bound, Bound::MaxAbs(0.5));
    // nccopy turns an unsuffixed 1.5 into 1.
    assert!(Params::parse(&[1, 1]).unwrap().config().unwrap_err().to_string().contains("0.5d"));
}

#[test]
fn the_last_word_alone_holds_the_bound_or_a_stricter_one() {
    for v in [0.01, 0.1, 1.0, 1.5, 1e-7, 3e20, 60.0, 1e-30] {
        for bound in [Bound::MaxAbs(v), Bound::MaxRel(v), Bound::Rmse(v), Bound::Nrmse(v), Bound::Psnr(v)] {
            let user = Config::new(bound).to_cd_values();
            let words = Params { user, layout: Some(layout()) }.to_words();
            let last = Params::parse(&words[words.len() - 1..]).unwrap().config().unwrap().bound;
            assert_eq!(last.kind(), bound.kind());
            let excess = (last.value() - v) / v;
            assert!(if matches!(bound, Bound::Psnr(_)) { excess >= 0.0 } else { excess <= 0.0 }, "{bound:?} {last:?}");
            assert!(excess.abs() < 2e-6, "{bound:?} {last:?}");
            // And the word of that bound is itself.
            assert_eq!(short(last), *words.last().unwrap());
        }
    }
    assert_eq!(Params::parse(&[0]).unwrap().config().unwrap().bound, Bound::Lossless);
    assert!(Params::parse(&[1]).unwrap().config().is_err());
}

#[test]
fn coordinates_and_small_chunks_are_lossless() {
    let p = Params { user: Config::new(Bound::MaxRel(0.1)).to_cd_values(), layout: None };
    let bound =
        |dtype, dims: &[u64]| p.config_for(&Layout::new(dtype, ByteOrder::Little, dims, None).unwrap()).unwrap().bound;
    assert_eq!(bound(DType::F64, &[1000]), Bound::Lossless);
    assert_eq!(bound(DType::F64, &[1000, 2]), Bound::Lossless);
    assert_eq!(bound(DType::F32, &[7, 9]), Bound::Lossless);
    assert_eq!(bound(DType::I16, &[100, 100]), Bound::Lossless);
    assert_eq!(bound(DType::F32, &[1, 1, 100]), Bound::MaxRel(0.1));
    let p = Params { user: Config::new(Bound::MaxAbs(2.0)).to_cd_values(), layout: None };
    let ints = Layout::new(DType::I16, ByteOrder::Little, &[100, 100], None).unwrap();
    assert_eq!(p.config_for(&ints).unwrap().bound, Bound::MaxAbs(2.0));
}

#[test]
fn bytes_that_are_no_numbers_are_lossless() {
    let plain = Layout::new(DType::U8, ByteOrder::Little, &[100, 100], None).unwrap();
    let opaque = Layout { opaque: true, ..plain.clone() };
    let p = Params { user: Config::new(Bound::MaxAbs(2.0)).to_cd_values(), layout: Some(opaque.clone()) };
    assert_eq!(Params::parse(&p.to_words()).unwrap(), p);
    assert_eq!(p.config_for(&opaque).unwrap().bound, Bound::Lossless);
    assert_eq!(p.config_for(&plain).unwrap().bound, Bound::MaxAbs(2.0));
}

#[test]
fn many_dimensions_are_folded() {
    let l = Layout::new(DType::U8, ByteOrder::Little, &[2, 3, 1, 1, 1, 1, 1, 1, 4, 5], None).unwrap();
    assert_eq!(l.chunk, [6, 1, 1, 1, 1, 1, 4, 5]);
    assert!(Layout::new(DType::F64, ByteOrder::Little, &[1 << 29], None).is_err());
    assert!(Layout::new(DType::U8, ByteOrder::Little, &[u64::MAX, 2], None).is_err());
}
