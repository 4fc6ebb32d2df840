//! Numbers at the edges of what a field may hold.

use crate::Mutator;

const EDGES: [i128; 30] = [
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    100,
    127,
    128,
    255,
    256,
    1023,
    4096,
    65_535,
    65_536,
    1 << 20,
    1 << 24,
    i32::MAX as i128,
    1 << 31,
    u32::MAX as i128,
    1 << 32,
    1 << 40,
    1 << 53,
    1 << 62,
    i64::MAX as i128,
    i64::MIN as i128,
    1 << 63,
    u64::MAX as i128,
    u64::MAX as i128 - 7,
];

impl Mutator {
    /// A number at an edge, or `near` moved a little.
    pub(crate) fn edge(&mut self, near: Option<i128>) -> i128 {
        match (near, self.below(5)) {
            (Some(near), 0) => match self.below(6) {
                0 => near + 1,
                1 => near - 1,
                2 => near.saturating_mul(2),
                3 => near.saturating_mul(1000),
                4 => -near,
                _ => near / 2,
            },
            _ => *self.pick(&EDGES),
        }
    }

    /// The same as a float, NaN and infinities too.
    pub(crate) fn odd_float(&mut self) -> f32 {
        *self.pick(&[
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN,
            f32::MIN_POSITIVE,
            1e-45,
            -0.0,
            1e30,
        ])
    }
}
