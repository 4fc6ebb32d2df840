//! The table of token rows: reading, checking, looking up, pooling.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::Error;

/// V token rows of C int8 entries, with a scale and a pooling weight for each row.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    width: usize,
    rows: Vec<i8>,
    scale: Vec<f32>,
    weight: Vec<f32>,
}

impl Table {
    /// Parses and checks a weights file's bytes; `file` names it in errors.
    pub(super) fn parse(bytes: &[u8], file: &str) -> Result<Self, Error> {
        let damaged = |source| Error::Safetensors {
            file: file.into(),
            source,
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;

        let entry = |key: &str| header.metadata().as_ref().and_then(|m| m.get(key)).cloned();
        let metadata = |key, expected, found| Error::Metadata {
            file: file.into(),
            key,
            found,
            expected,
        };
        for (key, expected) in [("format", "static-text-encoder"), ("format_version", "1")] {
            let found = entry(key);
            if found.as_deref() != Some(expected) {
                return Err(metadata(key, expected, found));
            }
        }
        let name = entry("name").filter(|n| !n.is_empty());
        let name = name.ok_or_else(|| metadata("name", "the encoder's name", None))?;

        let view = |tensor: &'static str, dtype: Dtype, rank: usize, rows: Option<usize>| {
            view(&tensors, file, tensor, dtype, rank, rows)
        };
        let rows = view("rows", Dtype::I8, 2, None)?;
        let (count, width) = (rows.shape()[0], rows.shape()[1]);
        let table = Self {
            name,
            width,
            rows: rows
                .data()
                .iter()
                .map(|&byte| i8::from_le_bytes([byte]))
                .collect(),
            scale: floats(view("scale", Dtype::F32, 1, Some(count))?.data()),
            weight: floats(view("weight", Dtype::F32, 1, Some(count))?.data()),
        };
        table.check(file)?;
        Ok(table)
    }

    fn check(&self, file: &str) -> Result<(), Error> {
        let wrong = |tensor, row, what| {
            Err(Error::Value {
                file: file.into(),
                tensor,
                row,
                what,
            })
        };
        for row in 0..self.len() {
            if !(self.scale[row].is_finite() && self.scale[row] >= 0.0) {
                return wrong("scale", row, "is negative or not finite");
            }
            if !(self.weight[row].is_finite() && self.weight[row] >= 0.0) {
                return wrong("weight", row, "is negative or not finite");
            }
            if self.weight[row] > 0.0 && self.row(row).all(|v| v == 0.0) {
                return wrong("rows", row, "is all zero though the token has a weight");
            }
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// C.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// V.
    pub(super) fn len(&self) -> usize {
        self.scale.len()
    }

    /// Pooling weight of a token; 0 (skip it) for an id outside of the table too.
    pub(super) fn weight(&self, id: usize) -> f32 {
        self.weight.get(id).copied().unwrap_or(0.0)
    }

    /// The C entries of a token's row. `id` must be below [`len`](Self::len).
    pub(super) fn row(&self, id: usize) -> impl Iterator<Item = f32> + '_ {
        let scale = self.scale[id];
        self.rows[id * self.width..(id + 1) * self.width]
            .iter()
            .map(move |&q| f32::from(q) * scale)
    }

    /// Weighted sum of the rows, L2-normalised. Sums in f64.
    pub(super) fn pool(&self, ids: &[usize]) -> Vec<f32> {
        let mut sum = vec![0f64; self.width];
        for &id in ids {
            let weight = f64::from(self.weight[id]);
            let scale = weight * f64::from(self.scale[id]);
            for (s, &q) in sum
                .iter_mut()
                .zip(&self.rows[id * self.width..(id + 1) * self.width])
            {
                *s += scale * f64::from(q);
            }
        }
        let norm = sum.iter().map(|s| s * s).sum::<f64>().sqrt();
        // Rows of one prompt that cancel out to nothing stay zero instead of becoming NaN.
        let norm = if norm > 0.0 { norm } else { 1.0 };
        sum.iter().map(|s| (s / norm) as f32).collect()
    }
}

/// A tensor of the file, after checking its type, rank, and number of rows; no dimension may be 0.
fn view<'a>(
    tensors: &SafeTensors<'a>,
    file: &str,
    tensor: &'static str,
    dtype: Dtype,
    rank: usize,
    rows: Option<usize>,
) -> Result<TensorView<'a>, Error> {
    let expected = || {
        let rows = rows.map_or_else(|| "V".into(), |r| r.to_string());
        format!(
            "{dtype:?} [{rows}{}], no dimension 0",
            if rank == 2 { ", C" } else { "" }
        )
    };
    let wrong = |found: String| Error::Tensor {
        file: file.into(),
        tensor,
        found,
        expected: expected(),
    };
    let Ok(view) = tensors.tensor(tensor) else {
        return Err(wrong("missing".into()));
    };
    let shape = view.shape();
    let fits = view.dtype() == dtype
        && shape.len() == rank
        && !shape.contains(&0)
        && rows.is_none_or(|rows| shape.first() == Some(&rows));
    if fits {
        Ok(view)
    } else {
        Err(wrong(format!("{:?} {shape:?}", view.dtype())))
    }
}

/// Little-endian f32 values.
fn floats(data: &[u8]) -> Vec<f32> {
    data.as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect()
}
