//! Weights from a safetensors file.

use std::collections::BTreeSet;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::Error;

/// A parsed file and the names not used yet.
pub(crate) struct WeightFile<'a> {
    tensors: SafeTensors<'a>,
    unused: BTreeSet<String>,
    file: &'a str,
}

impl<'a> WeightFile<'a> {
    pub(crate) fn parse(bytes: &'a [u8], file: &'a str) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| Error::Safetensors {
            file: file.to_owned(),
            source,
        })?;
        let unused = tensors.names().into_iter().map(str::to_owned).collect();
        Ok(Self {
            tensors,
            unused,
            file,
        })
    }

    /// Refuses a file whose metadata does not have these entries.
    pub(crate) fn require_metadata(
        bytes: &[u8],
        file: &str,
        entries: &[(&'static str, &'static str)],
    ) -> Result<(), Error> {
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|source| Error::Safetensors {
                file: file.to_owned(),
                source,
            })?;
        for (key, expected) in entries {
            let found = header.metadata().as_ref().and_then(|m| m.get(*key));
            if found.map(String::as_str) != Some(expected) {
                return Err(Error::Metadata {
                    file: file.to_owned(),
                    key,
                    found: found.cloned(),
                    expected,
                });
            }
        }
        Ok(())
    }

    /// The finite values of a float16 or float32 tensor of that shape, row-major.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let mismatch = |found: String| Error::Weights {
            file: self.file.to_owned(),
            tensor: name.to_owned(),
            found,
            expected: format!("F16 or F32 {shape:?}"),
        };
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| mismatch("missing".to_owned()))?;
        if view.shape() != shape {
            return Err(mismatch(format!("{:?} {:?}", view.dtype(), view.shape())));
        }
        let values: Vec<f32> = match view.dtype() {
            Dtype::F16 => view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&b| f16::from_le_bytes(b).to_f32())
                .collect(),
            Dtype::F32 => view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&b| f32::from_le_bytes(b))
                .collect(),
            other => return Err(mismatch(format!("{other:?} {shape:?}"))),
        };
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(self.bad_value(name, index, values[index]));
        }
        self.unused.remove(name);
        Ok(values)
    }

    /// A value that the network cannot work with.
    pub(crate) fn bad_value(&self, name: &str, index: usize, value: f32) -> Error {
        Error::WeightValue {
            file: self.file.to_owned(),
            tensor: name.to_owned(),
            index,
            value,
        }
    }

    /// Leaves a tensor out, where it is there and of that shape: a part of the file that the network does not have.
    pub(crate) fn skip(&mut self, name: &str, shape: &[usize]) {
        if self
            .tensors
            .tensor(name)
            .is_ok_and(|view| view.shape() == shape)
        {
            self.unused.remove(name);
        }
    }

    /// Refuses a file with tensors that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.unused.into_iter().next() {
            Some(tensor) => {
                let found = match self.tensors.tensor(&tensor) {
                    Ok(view) => format!("there ({:?} {:?})", view.dtype(), view.shape()),
                    Err(_) => "there".to_owned(),
                };
                Err(Error::Weights {
                    file: self.file.to_owned(),
                    tensor,
                    found,
                    expected: "no such tensor".to_owned(),
                })
            }
            None => Ok(()),
        }
    }
}
