//! Mutations of burnpack files: a header, CBOR metadata, aligned data.

use ciborium::Value;

use crate::Mutator;

const HEADER: usize = 10;
const ALIGNMENT: usize = 256;

impl Mutator {
    pub(crate) fn burnpack(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let size = u32::from_le_bytes(*bytes.get(6..HEADER)?.first_chunk::<4>()?);
        if self.below(8) == 0 {
            let size = self.edge(Some(i128::from(size))) as u32;
            bytes[6..HEADER].copy_from_slice(&size.to_le_bytes());
            return Some(format!("metadata of {size} bytes"));
        }
        let end = HEADER + size as usize;
        let data = end.next_multiple_of(ALIGNMENT);
        if self.below(5) == 0 && bytes.len() > data + 4 {
            let odd = self.odd_float();
            let at = data + self.below((bytes.len() - data) / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&odd.to_le_bytes());
            return Some(format!("{odd} at byte {at}"));
        }
        let mut value: Value = ciborium::from_reader(bytes.get(HEADER..end)?).ok()?;
        let at = self.below(nodes(&value));
        let place = node(&mut value, &mut { at })?;
        let before = brief(place);
        match self.below(5) {
            0..=2 => {
                let near = place.as_integer().map(i128::from);
                let edge = self.edge(near);
                *place = match (i64::try_from(edge), u64::try_from(edge)) {
                    (Ok(edge), _) => Value::from(edge),
                    (_, Ok(edge)) => Value::from(edge),
                    _ => Value::Null,
                };
            }
            3 => match &mut *place {
                Value::Array(items) if !items.is_empty() => {
                    let item = items[self.below(items.len())].clone();
                    if self.below(2) == 0 {
                        items.push(item);
                    } else {
                        items.remove(self.below(items.len()));
                    }
                }
                Value::Map(fields) if !fields.is_empty() => {
                    let from = self.below(fields.len());
                    let to = self.below(fields.len());
                    let value = fields[from].1.clone();
                    if self.below(2) == 0 {
                        fields[to].1 = value;
                    } else {
                        fields.remove(to);
                    }
                }
                Value::Text(text) => text.push('2'),
                other => *other = Value::Array(Vec::new()),
            },
            _ => {
                *place = self
                    .pick(&[
                        Value::Null,
                        Value::Bool(true),
                        Value::Float(f64::NAN),
                        Value::Text("F64".into()),
                        Value::Text("Bool".into()),
                        Value::Array(Vec::new()),
                        Value::Bytes(vec![0; 8]),
                    ])
                    .clone();
            }
        }
        let after = brief(place);
        let mut text = Vec::new();
        ciborium::into_writer(&value, &mut text).ok()?;
        let rest = bytes.get(data..).unwrap_or_default().to_vec();
        bytes.truncate(6);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(rest);
        Some(format!("node {at} {before} -> {after}"))
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum::<usize>(),
        Value::Map(fields) => fields.iter().map(|(_, value)| nodes(value)).sum(),
        _ => 0,
    }
}

fn node<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| node(item, left)),
        Value::Map(fields) => fields.iter_mut().find_map(|(_, item)| node(item, left)),
        _ => None,
    }
}

fn brief(value: &Value) -> String {
    format!("{value:?}").chars().take(30).collect()
}
