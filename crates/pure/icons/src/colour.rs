//! How coloured and how bright a pixel is, and how far from grey.

/// Parts of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    pub(crate) red: u32,
    pub(crate) green: u32,
    pub(crate) blue: u32,
    /// The largest of them.
    pub(crate) value: u32,
    /// How much the smallest is less.
    pub(crate) delta: u32,
    /// 255 for a pure colour.
    pub(crate) saturation: u32,
}

impl Colour {
    pub(crate) fn of(pixel: u32) -> Self {
        let [blue, green, red, _] = pixel.to_le_bytes().map(u32::from);
        let (least, value) = (red.min(green).min(blue), red.max(green).max(blue));
        let delta = value.saturating_sub(least);
        let saturation = delta.wrapping_mul(255).checked_div(value).unwrap_or(0);
        Self { red, green, blue, value, delta, saturation }
    }

    /// How coloured it is; 4,072 at most.
    pub(crate) fn strength(self) -> u32 {
        self.saturation.wrapping_mul(self.saturation).wrapping_mul(self.value).isqrt()
    }

    /// Whether it counts as coloured.
    pub(crate) fn is_strong(self) -> bool {
        self.saturation > 85 && self.value > 85
    }

    /// What red, green and blue share in it, in per cent.
    pub(crate) fn shares(self) -> [u32; 3] {
        let share = |one: u32, other: u32| {
            let apart = one.abs_diff(other).wrapping_mul(100).checked_div(self.delta).unwrap_or(0);
            100_u32.saturating_sub(apart)
        };
        [share(self.green, self.blue), share(self.red, self.blue), share(self.red, self.green)]
    }
}

/// The distance from grey in CIE L*a*b*, with the constants of ClamAV, which are of single precision.
pub(crate) fn distance_from_grey(pixel: u32) -> f64 {
    let [blue, green, red, _] = pixel.to_le_bytes().map(f64::from);
    let [red, green, blue] = [red, green, blue].map(linear);
    let row =
        |a: f32, b: f32, c: f32| red * f64::from(a) + green * f64::from(b) + blue * f64::from(c);
    let x = curve(row(0.4124, 0.3576, 0.1805) / f64::from(95.047_f32));
    let y = curve(row(0.2126, 0.7152, 0.0722) / 100.0);
    let z = curve(row(0.0193, 0.1192, 0.9505) / f64::from(108.883_f32));
    let lab = [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)];
    let apart = |(one, other): (f64, f32)| (f64::from(other) - one).powi(2);
    lab.into_iter().zip(GREY).map(apart).sum::<f64>().sqrt()
}

fn linear(part: f64) -> f64 {
    let part = part / 255.0;
    let linear = if part > f64::from(0.040_45_f32) {
        ((part + f64::from(0.055_f32)) / f64::from(1.055_f32)).powf(f64::from(2.4_f32))
    } else {
        part / f64::from(12.92_f32)
    };
    linear * 100.0
}

fn curve(part: f64) -> f64 {
    if part > f64::from(0.008_856_f32) {
        part.powf(f64::from(1.0_f32 / 3.0))
    } else {
        f64::from(7.787_f32) * part + f64::from(16.0_f32 / 116.0)
    }
}

/// Grey in L*a*b*.
#[expect(clippy::excessive_precision, reason = "the digits of its definition")]
const GREY: [f32; 3] =
    [53.192_777_691_077_211, 0.003_142_094_218_144_819_7, -0.006_207_587_784_401_447_1];
