//! The table of token rows: reading, checking, looking up, pooling.

use tensor_file::{Dtype, TensorFile};

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
        let tensors = TensorFile::from_bytes(file, bytes)?;
        let entry = |key: &str| tensors.metadata().get(key).cloned();
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

        let rows = check_tensor(&tensors, "rows", Dtype::I8, 2, None)?;
        let (count, width) = (rows[0], rows[1]);
        check_tensor(&tensors, "scale", Dtype::F32, 1, Some(count))?;
        check_tensor(&tensors, "weight", Dtype::F32, 1, Some(count))?;
        let rows = tensors.read_bytes("rows")?;
        let table = Self {
            name,
            width,
            rows: rows.iter().map(|&b| i8::from_le_bytes([b])).collect(),
            scale: tensors.read("scale")?,
            weight: tensors.read("weight")?,
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

    /// Pooling weight of a token; 0 (skip it) also for an id outside of the table.
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
        // If the rows of a prompt cancel out, the result is zero and not NaN.
        let norm = if norm > 0.0 { norm } else { 1.0 };
        sum.iter().map(|s| (s / norm) as f32).collect()
    }
}

/// The shape of a tensor, after checking its type, rank, and number of rows; no dimension may be 0.
fn check_tensor<'a>(
    tensors: &'a TensorFile<'_>,
    tensor: &'static str,
    dtype: Dtype,
    rank: usize,
    rows: Option<usize>,
) -> Result<&'a [usize], Error> {
    let info = tensors.get(tensor);
    let fits = info.filter(|info| {
        info.dtype == dtype
            && info.shape.len() == rank
            && !info.shape.contains(&0)
            && rows.is_none_or(|rows| info.shape.first() == Some(&rows))
    });
    fits.map(|info| info.shape).ok_or_else(|| {
        let rows = rows.map_or_else(|| "V".into(), |rows| rows.to_string());
        let columns = if rank == 2 { ", C" } else { "" };
        Error::Tensor {
            file: tensors.path().display().to_string(),
            tensor: tensor.into(),
            found: info.map_or_else(|| "missing".into(), |info| info.to_string()),
            expected: format!("{dtype:?} [{rows}{columns}], no dimension 0"),
        }
    })
}
