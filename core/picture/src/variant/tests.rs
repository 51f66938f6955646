//! The arithmetic of sizes, the query parameters and the key.

use super::*;

fn boxed(w: u32, h: u32, fit: Fit) -> Variant {
    Variant { width: (w > 0).then_some(w), height: (h > 0).then_some(h), fit, encoding: None }
}

#[test]
fn contain_keeps_the_shape_and_never_enlarges() {
    // Source, box (0: free), copy.
    let table = [
        ((4000, 3000), (400, 400), (400, 300)),
        ((3000, 4000), (400, 400), (300, 400)),
        ((4000, 3000), (400, 0), (400, 300)),
        ((4000, 3000), (0, 300), (400, 300)),
        ((100, 50), (400, 400), (100, 50)),
        ((100, 50), (50, 400), (50, 25)),
        ((1, 10_000), (100, 100), (1, 100)),
        ((10_000, 1), (100, 100), (100, 1)),
        ((1, 1), (4096, 4096), (1, 1)),
        ((1001, 667), (333, 333), (333, 222)),
        ((3, 2), (2, 2), (2, 1)),
        ((16_384, 2000), (0, 0), (4096, 500)),
        ((1920, 1080), (0, 0), (1920, 1080)),
        ((16_384, 100), (0, 50), (4096, 25)),
    ];
    for ((w, h), (box_w, box_h), copy) in table {
        let variant = boxed(box_w, box_h, Fit::Contain);
        assert_eq!(variant.size(w, h), copy, "{w} x {h} in {variant}");
        let plan = variant.plan(w, h);
        assert_eq!((plan.crop_width, plan.crop_height), (w, h));
    }
}

#[test]
fn cover_fills_the_box_from_the_middle() {
    // Source, box, part of the source (left, top, width, height), copy.
    let table = [
        ((4000, 3000), (400, 400), (500, 0, 3000, 3000), (400, 400)),
        ((3000, 4000), (400, 400), (0, 500, 3000, 3000), (400, 400)),
        ((4000, 3000), (400, 300), (0, 0, 4000, 3000), (400, 300)),
        ((4000, 3000), (300, 400), (875, 0, 2250, 3000), (300, 400)),
        // Smaller than the box: its shape, nothing enlarged.
        ((100, 50), (400, 400), (25, 0, 50, 50), (50, 50)),
        ((100, 1000), (200, 100), (0, 475, 100, 50), (100, 50)),
        ((1, 1000), (10, 10), (0, 499, 1, 1), (1, 1)),
        ((1000, 1), (10, 10), (499, 0, 1, 1), (1, 1)),
        ((1, 1), (4096, 1), (0, 0, 1, 1), (1, 1)),
        ((7, 5), (3, 3), (1, 0, 5, 5), (3, 3)),
    ];
    for ((w, h), (box_w, box_h), part, copy) in table {
        let plan = boxed(box_w, box_h, Fit::Cover).plan(w, h);
        let got = (plan.left, plan.top, plan.crop_width, plan.crop_height);
        assert_eq!(got, part, "{w} x {h} over {box_w} x {box_h}");
        assert_eq!((plan.width, plan.height), copy, "{w} x {h}");
    }
}

#[test]
fn cover_with_a_free_side_is_contain() {
    assert_eq!(boxed(100, 0, Fit::Cover).size(400, 200), (100, 50));
    let parsed = Variant::parse(Some("100"), None, Some("cover"), None);
    assert_eq!(parsed, Variant::parse(Some("100"), None, None, None));
}

#[test]
fn no_copy_is_empty_or_larger_than_its_source_or_box() {
    let sides = [1, 2, 3, 7, 99, 640, 4096, 5000, 16_384, 65_535];
    for (w, h) in sides.iter().flat_map(|w| sides.map(|h| (*w, h))) {
        for (box_w, box_h) in sides.iter().flat_map(|w| sides.map(|h| (*w, h))) {
            if box_w > MAX_OUTPUT_SIDE || box_h > MAX_OUTPUT_SIDE {
                continue;
            }
            for fit in [Fit::Contain, Fit::Cover] {
                let plan = boxed(box_w, box_h, fit).plan(w, h);
                assert!((1..=w.min(box_w)).contains(&plan.width));
                assert!((1..=h.min(box_h)).contains(&plan.height));
                assert!(plan.width <= plan.crop_width && plan.height <= plan.crop_height);
                assert!(plan.crop_width >= 1 && plan.left + plan.crop_width <= w);
                assert!(plan.crop_height >= 1 && plan.top + plan.crop_height <= h);
            }
        }
    }
}

#[test]
fn parameters_are_read_or_refused_by_name() {
    let all = Variant::parse(Some("400"), Some("300"), Some("cover"), Some("webp"));
    let expected = Variant { encoding: Some(Encoding::Webp), ..boxed(400, 300, Fit::Cover) };
    assert_eq!(all, Ok(expected));
    assert!(Variant::parse(None, None, None, None).is_ok_and(|v| v.is_original()));

    for bad in ["0", "4097", "-1", "+5", "1.5", "", " 1", "99999999999", "1e2"] {
        let w = Variant::parse(Some(bad), None, None, None);
        assert_eq!(w, Err(BadVariant::Width), "{bad:?}");
        let h = Variant::parse(None, Some(bad), None, None);
        assert_eq!(h, Err(BadVariant::Height), "{bad:?}");
    }
    let fit = Variant::parse(None, None, Some("fill"), None);
    assert_eq!(fit, Err(BadVariant::Fit));
    for bad in ["gif", "svg", "", "WEBP"] {
        let format = Variant::parse(None, None, None, Some(bad));
        assert_eq!(format, Err(BadVariant::Format), "{bad:?}");
    }
    let sentence = BadVariant::Width.to_string();
    assert!(sentence.contains("parameter w") && sentence.contains("4096"));
}

#[test]
fn the_key_is_short_and_canonical() {
    let key = |w, h, fit, format| {
        Variant::parse(w, h, fit, format).map_or_else(|e| e.to_string(), |v| v.to_string())
    };
    assert_eq!(key(Some("0400"), Some("300"), Some("cover"), Some("jpg")), "400x300-cover-jpeg");
    assert_eq!(key(Some("400"), None, None, None), "400x_-contain-auto");
    assert_eq!(key(None, None, None, Some("avif")), "_x_-contain-avif");
}
