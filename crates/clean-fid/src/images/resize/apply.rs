//! The two passes of a separable resize.

use super::taps::Taps;

/// One plane of rows of `width` values to as many columns and rows as the taps have. Sums are in double precision, and
/// what the first pass leaves is rounded to 32 bits, both as in PIL.
pub(super) fn resample(plane: &[f32], width: usize, columns: &Taps, rows: &Taps) -> Vec<f32> {
    let out_width = columns.runs.len();
    let mut across = Vec::with_capacity(plane.len() / width * out_width);
    for row in plane.chunks_exact(width) {
        across.extend(columns.runs.iter().map(|run| {
            let weights = columns.weights(run);
            let sum: f64 = row[run.start..]
                .iter()
                .zip(weights)
                .map(|(v, w)| f64::from(*v) * w)
                .sum();
            sum as f32
        }));
    }
    let mut out = Vec::with_capacity(rows.runs.len() * out_width);
    let mut sums = vec![0f64; out_width];
    for run in &rows.runs {
        sums.fill(0.0);
        let sources = across[run.start * out_width..].chunks_exact(out_width);
        for (row, weight) in sources.zip(rows.weights(run)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| *sum as f32));
    }
    out
}

/// [`resample`] as in PIL for bytes: weights are multiples of 2⁻²², and both passes round to bytes.
pub(super) fn resample_bytes(plane: &[f32], width: usize, columns: &Taps, rows: &Taps) -> Vec<f32> {
    let bytes: Vec<u8> = plane.iter().map(|v| v.round() as u8).collect();
    let across: Vec<u8> = bytes
        .chunks_exact(width)
        .flat_map(|row| {
            columns.runs.iter().map(|run| {
                let weights = columns.weights(run).iter();
                to_byte(row[run.start..].iter().copied().zip(weights))
            })
        })
        .collect();
    let out_width = columns.runs.len();
    let mut out = Vec::with_capacity(rows.runs.len() * out_width);
    for run in &rows.runs {
        for column in 0..out_width {
            let sources = across[run.start * out_width + column..].iter();
            let weights = rows.weights(run).iter();
            let byte = to_byte(sources.step_by(out_width).copied().zip(weights));
            out.push(f32::from(byte));
        }
    }
    out
}

fn to_byte<'a>(terms: impl Iterator<Item = (u8, &'a f64)>) -> u8 {
    const BITS: i32 = 22;
    let sum: i64 = terms
        .map(|(value, weight)| {
            // Away from zero at one half, as in C.
            let whole = (weight * f64::from(1 << BITS)).round() as i64;
            i64::from(value) * whole
        })
        .sum();
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}
