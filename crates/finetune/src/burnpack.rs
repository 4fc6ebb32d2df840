//! Burnpack files, checked before Burn allocates what they claim or takes them for what they are not.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};
use burn_pack::Reader;

/// Magic number, version, and the length of the metadata.
const HEADER: usize = 10;
/// After a parameter's number, the name of the scalar that holds its rank.
const RANK: &str = "__rank";

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BurnpackError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Format(String),
    #[error("metadata of {metadata} bytes in a file of {length}")]
    Metadata { metadata: u32, length: u64 },
    #[error("its tensors overlap: they are more than its {length} bytes")]
    Overlap { length: u64 },
    #[error("`{name}` is of type {dtype:?}")]
    Type { name: String, dtype: DType },
    #[error("`{name}` belongs to no parameter")]
    NoParameter { name: String },
    #[error("it holds a state of parameter {id}, which the network does not have")]
    UnknownParameter { id: u64 },
    #[error("`{name}` is of shape {found:?} and type {dtype:?}, its parameter of {expected:?}")]
    Shape {
        name: String,
        found: Vec<usize>,
        dtype: DType,
        expected: Vec<usize>,
    },
    #[error("`{name}` is {found} and not {rank}")]
    Rank {
        name: String,
        found: String,
        rank: usize,
    },
}

/// The error of `burn_pack`, whose type is private to that crate.
fn format(error: impl std::fmt::Display) -> BurnpackError {
    BurnpackError::Format(error.to_string())
}

/// The file's list of tensors, none of them read; refuses lists that overlap or go beyond the file.
fn open(path: &Path) -> Result<Reader, BurnpackError> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; HEADER];
    file.read_exact(&mut head)?;
    let metadata = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
    if u64::from(metadata) > length {
        return Err(BurnpackError::Metadata { metadata, length });
    }
    Reader::from_file_exact(path).map_err(format)
}

fn check_sizes(path: &Path) -> Result<Vec<burn_pack::Tensor>, BurnpackError> {
    let length = std::fs::metadata(path)?.len();
    let tensors = open(path)?.into_tensors().map_err(format)?;
    let bytes = tensors
        .iter()
        .try_fold(0u64, |sum, t| sum.checked_add(t.byte_len() as u64));
    match bytes.filter(|bytes| *bytes <= length) {
        Some(_) => Ok(tensors),
        None => Err(BurnpackError::Overlap { length }),
    }
}

/// Refuses a network's file whose tensors are not floats of 32 bits, or share bytes.
pub(crate) fn check_network(path: &Path) -> Result<(), BurnpackError> {
    let mut tensors = check_sizes(path)?.into_iter();
    match tensors.find(|tensor| tensor.dtype != DType::F32) {
        None => Ok(()),
        Some(tensor) => Err(BurnpackError::Type {
            name: tensor.name,
            dtype: tensor.dtype,
        }),
    }
}

/// Refuses an optimizer's file that does not belong to `module`, whose parameters have the numbers of the same state.
pub(crate) fn check_optimizer<M: Module>(path: &Path, module: &M) -> Result<(), BurnpackError> {
    let mut known = Shapes(HashMap::new());
    module.visit(&mut known);
    let shape = |id: u64| {
        let shape = known.0.get(&id);
        shape.ok_or(BurnpackError::UnknownParameter { id })
    };
    for tensor in check_sizes(path)? {
        let Some(id) = tensor.param_id else {
            return Err(BurnpackError::NoParameter { name: tensor.name });
        };
        let expected = shape(id)?;
        let found: Vec<usize> = tensor.shape.to_vec();
        if found != *expected || tensor.dtype != DType::F32 {
            return Err(BurnpackError::Shape {
                name: tensor.name,
                found,
                dtype: tensor.dtype,
                expected: expected.clone(),
            });
        }
    }
    for (name, value) in open(path)?.scalars() {
        let Some((id, RANK)) = name.rsplit_once('.') else {
            continue;
        };
        let id = id.parse().map_err(|_| BurnpackError::NoParameter {
            name: name.to_string(),
        })?;
        let rank = shape(id)?.len();
        if usize::try_from(*value) != Ok(rank) {
            return Err(BurnpackError::Rank {
                name: name.to_string(),
                found: format!("{value:?}"),
                rank,
            });
        }
    }
    Ok(())
}

/// Shapes of the parameters by their numbers.
struct Shapes(HashMap<u64, Vec<usize>>);

impl ModuleVisitor for Shapes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id.val(), param.shape().to_vec());
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use burn_pack::{Bytes, Writer};

    use super::*;

    fn tensor(dtype: DType, shape: &[usize], id: Option<u64>) -> burn_pack::Tensor {
        let bytes = vec![0u8; 4 * shape.iter().product::<usize>()];
        let bytes = Bytes::from_bytes_vec(bytes);
        burn_pack::Tensor::new("moment".into(), dtype, shape.to_vec(), id, bytes)
    }

    fn refused(tensors: Vec<burn_pack::Tensor>, rank: Option<(String, u64)>) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.burnpack");
        let mut writer = Writer::new(tensors);
        if let Some((name, rank)) = rank {
            writer = writer.with_scalar(&name, rank.into());
        }
        writer.write_to_file(&path).unwrap();
        let checked = LINEAR.with(|linear| check_optimizer(&path, linear));
        checked.err().map(|error| error.to_string())
    }

    thread_local! {
        static LINEAR: Linear = LinearConfig::new(3, 2).init(&Device::flex());
    }

    #[test]
    fn states_of_other_parameters_are_refused() {
        let id = LINEAR.with(|linear| linear.weight.id.val());
        let rank = |rank| Some((format!("{id}.{RANK}"), rank));
        let fitting = || tensor(DType::F32, &[3, 2], Some(id));
        assert_eq!(refused(vec![fitting()], rank(2)), None);
        for (message, expected) in [
            (refused(vec![fitting()], rank(7)), "is UInt(7) and not 2"),
            (
                refused(vec![tensor(DType::F32, &[3, 2], None)], None),
                "no parameter",
            ),
            (
                refused(vec![tensor(DType::F32, &[3, 2], Some(5))], None),
                "parameter 5",
            ),
            (
                refused(vec![tensor(DType::F32, &[3, 2, 1], Some(id))], None),
                "[3, 2, 1]",
            ),
            (
                refused(vec![tensor(DType::I32, &[3, 2], Some(id))], None),
                "I32",
            ),
        ] {
            let message = message.unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn metadata_longer_than_the_file_is_refused_before_it_is_allocated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("network.burnpack");
        let head = [&b"NRUB\x01\0"[..], &(90u32 << 20).to_le_bytes()].concat();
        std::fs::write(&path, head).unwrap();
        let message = check_network(&path).unwrap_err().to_string();
        assert!(message.contains("in a file of 10"), "{message}");
    }
}
