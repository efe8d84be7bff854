//! Colour scales of heat maps.
//!
//! Both are curves in OKLCH, a colour space in which equal steps look equal: lightness changes evenly along them, so they read
//! correctly in grey and for colour-blind readers.

use super::style::Colour;

/// From dark violet over teal to light yellow, for `share` from 0 to 1.
pub(crate) fn sequential(share: f64) -> Colour {
    let share = share.clamp(0.0, 1.0);
    let chroma = 0.115 + 0.05 * (2.0 * share - 1.0).powi(2);
    oklch(0.27 + 0.66 * share, chroma, 302.0 - 200.0 * share)
}

/// From blue over near white to orange-brown, for `share` from 0 to 1 with the neutral colour at one half.
pub(crate) fn diverging(share: f64) -> Colour {
    let signed = 2.0 * share.clamp(0.0, 1.0) - 1.0;
    let strength = signed.abs();
    oklch(0.97 - 0.53 * strength, 0.135 * strength.powf(0.8), if signed < 0.0 { 252.0 } else { 48.0 })
}

/// A colour by lightness, chroma and hue in degrees. Chroma is reduced as far as sRGB requires.
fn oklch(lightness: f64, chroma: f64, hue: f64) -> Colour {
    let (sine, cosine) = hue.to_radians().sin_cos();
    let fits = |chroma: f64| {
        linear_srgb(lightness, chroma * cosine, chroma * sine).iter().all(|channel| (0.0..=1.0).contains(channel))
    };
    // Bisection ends on the border of sRGB, which is smooth; reducing in steps would show as bands.
    let (mut inside, mut outside) = if fits(chroma) { (chroma, chroma) } else { (0.0, chroma) };
    for _ in 0..20 {
        let middle = 0.5 * (inside + outside);
        if fits(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    let chroma = inside;
    let [red, green, blue] = linear_srgb(lightness, chroma * cosine, chroma * sine).map(encoded);
    Colour::new(red, green, blue)
}

/// The OKLab matrices to linear sRGB, as published with the colour space.
fn linear_srgb(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701 * short,
    ]
}

/// The sRGB transfer curve.
fn encoded(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let curved = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (curved * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, which is what remains in grey.
    fn luminance(colour: Colour) -> f64 {
        let linear = |value: u8| (f64::from(value) / 255.0).powf(2.2);
        0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)
    }

    #[test]
    fn the_sequential_scale_gets_lighter_all_the_way() {
        let shades: Vec<f64> = (0..=50).map(|index| luminance(sequential(f64::from(index) / 50.0))).collect();
        assert!(shades.windows(2).all(|pair| pair[1] > pair[0]), "{shades:?}");
    }

    #[test]
    fn the_diverging_scale_is_lightest_in_the_middle() {
        assert!(luminance(diverging(0.5)) > 0.85);
        assert!(luminance(diverging(0.0)) < 0.2 && luminance(diverging(1.0)) < 0.2);
        assert_eq!(diverging(f64::NAN.max(0.5)), diverging(0.5));
    }
}
