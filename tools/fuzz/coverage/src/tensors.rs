//! What holds of any file of tensors that was accepted.

use tensor_file::{SafetensorsWriter, TensorFile};

use crate::{accepted, written};

/// Reads every tensor, in whole and in part; then writes all of them, if they are finite floats, and reads them back.
///
/// # Panics
/// Panics if a tensor does not fill its shape, a part differs from the whole, or another content comes back.
pub fn check_tensors(file: &TensorFile<'_>) {
    for tensor in file.tensors() {
        let count = tensor.shape.iter().product::<usize>();
        let Some(values) = accepted(file.read(tensor.name)) else {
            continue;
        };
        assert_eq!(values.len(), count, "{}", tensor.name);
        if count > 1 {
            let part = accepted(file.read_range(tensor.name, 1..count)).expect("a part of it");
            assert!(
                part.iter()
                    .map(|v| v.to_bits())
                    .eq(values[1..].iter().map(|v| v.to_bits()))
            );
        }
    }
    let Some(all) = accepted(file.read_all()) else {
        return;
    };
    let mut writer = SafetensorsWriter::new();
    for (key, value) in file.metadata() {
        writer.metadata(key, value);
    }
    for (name, tensor) in &all {
        written(writer.f32(name, &tensor.shape, &tensor.data));
    }
    let again = written(TensorFile::from_bytes("again", written(writer.to_bytes())));
    assert_eq!(written(again.read_all()), all);
    assert_eq!(again.metadata(), file.metadata());
}
