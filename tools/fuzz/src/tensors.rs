//! Mutations of safetensors files.

use serde_json::{Value, json};

use crate::Mutator;

/// The header and where the data begin.
pub(crate) fn header(bytes: &[u8]) -> Option<(Value, usize)> {
    let length = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let value: Value = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    value.is_object().then_some((value, end))
}

impl Mutator {
    pub(crate) fn safetensors(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let (mut value, end) = header(bytes)?;
        if self.below(8) == 0 {
            let length = self.edge(Some(end as i128 - 8)) as u64;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            return Some(format!("a header of {length}"));
        }
        if self.below(6) == 0 && bytes.len() > end + 4 {
            let odd = self.odd_float();
            let at = end + self.below((bytes.len() - end) / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&odd.to_le_bytes());
            return Some(format!("{odd} at byte {at}"));
        }
        let (text, how) = if self.below(3) == 0 {
            self.json_value(&mut value)?
        } else {
            let how = self.tensor(value.as_object_mut()?)?;
            (value.to_string(), how)
        };
        let data = bytes.split_off(end);
        *bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.into_bytes());
        bytes.extend(data);
        Some(how)
    }

    fn tensor(&mut self, tensors: &mut serde_json::Map<String, Value>) -> Option<String> {
        let names: Vec<String> = tensors.keys().cloned().collect();
        if names.is_empty() {
            return None;
        }
        let (name, other) = (self.pick(&names).clone(), self.pick(&names).clone());
        let others = tensors.get(&other)?["data_offsets"].clone();
        let tensor = tensors.get_mut(&name)?.as_object_mut()?;
        Some(match self.below(6) {
            0 => {
                let dtype =
                    *self.pick(&["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2"]);
                tensor.insert("dtype".into(), json!(dtype));
                format!("{name} as {dtype}")
            }
            1 => {
                tensor.insert("data_offsets".into(), others);
                format!("{name} over {other}")
            }
            2 => {
                let pair = [self.edge(None) as u64, self.edge(None) as u64];
                tensor.insert("data_offsets".into(), json!(pair));
                format!("{name} at {pair:?}")
            }
            3 => {
                let shape = tensor.get_mut("shape")?.as_array_mut()?;
                let size = self.edge(None) as u64;
                let at = self.below(shape.len());
                match shape.get_mut(at) {
                    Some(side) => *side = json!(size),
                    None => shape.push(json!(size)),
                }
                format!("{name} of size {size}")
            }
            4 => {
                let shape = tensor.get_mut("shape")?.as_array_mut()?;
                shape.reverse();
                format!("{name} transposed")
            }
            _ => {
                // No values, of a shape that has room for all.
                let at = json!(others.get(1).cloned().unwrap_or(json!(0)));
                let shape = json!([0, u64::MAX, u64::MAX]);
                let fresh = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, at]});
                tensors.insert(format!("{name}.more"), fresh);
                format!("an empty tensor beside {name}")
            }
        })
    }
}
