//! Mutations of JSON and of lines of JSON.

use serde_json::{Map, Value, json};

use crate::Mutator;

const HOLE: &str = "@@a hole in the text@@";

impl Mutator {
    pub(crate) fn json(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        if let Ok(mut value) = serde_json::from_slice::<Value>(bytes) {
            let (text, how) = self.json_value(&mut value)?;
            *bytes = text.into_bytes();
            return Some(how);
        }
        // Lines of JSON.
        let text = std::str::from_utf8(bytes).ok()?.to_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = self.below(lines.len());
        let mut value = serde_json::from_str::<Value>(lines.get(at)?).ok()?;
        let (line, how) = self.json_value(&mut value)?;
        lines[at] = line;
        *bytes = (lines.join("\n") + "\n").into_bytes();
        Some(format!("line {at}, {how}"))
    }

    /// The changed value as text, and what was changed.
    pub(crate) fn json_value(&mut self, value: &mut Value) -> Option<(String, String)> {
        let count = nodes(value);
        let at = self.below(count);
        let copy = node(value, &mut self.below(count))?.clone();
        let place = node(value, &mut { at })?;
        let before = brief(place);
        let mut hole = None;
        match self.below(12) {
            0..=3 => *place = self.number(place),
            4 => {
                *place = self
                    .pick(&[
                        Value::Null,
                        json!(true),
                        json!(""),
                        json!([]),
                        json!({}),
                        json!("1"),
                        json!(0.5),
                        json!([1, 2, 3]),
                        json!({"kind": "none"}),
                    ])
                    .clone()
            }
            5 => self.lose(place),
            6 => self.multiply(place),
            7 => self.rename(place),
            8 => *place = copy,
            9 => {
                *place = json!(self.pick(&[
                    "../../../../etc/passwd",
                    "/etc/passwd",
                    "..",
                    "a\0b",
                    "\u{202e}\u{0301}\u{10ffff}",
                    "NaN",
                    "-1",
                ]))
            }
            10 => *place = json!("x".repeat(1 << self.below(20))),
            _ => {
                *place = json!(HOLE);
                hole = Some(self.not_json());
            }
        }
        let after = hole
            .as_deref()
            .map_or_else(|| brief(place), |hole| hole.chars().take(20).collect());
        let mut text = serde_json::to_string(value).ok()?;
        if let Some(hole) = hole {
            text = text.replacen(&format!("\"{HOLE}\""), &hole, 1);
        }
        if self.below(12) == 0 {
            text = self.twice(text);
        }
        Some((text, format!("node {at} {before} -> {after}")))
    }

    fn number(&mut self, place: &Value) -> Value {
        let near = place.as_i64().map(i128::from);
        if self.below(6) == 0 {
            return json!(self.pick(&[1e308, -1e308, 1e-308, 0.5, -0.5, 1e19, 1.0]));
        }
        let edge = self.edge(near);
        i64::try_from(edge).map_or_else(|_| json!(edge as u64), |edge| json!(edge))
    }

    fn lose(&mut self, place: &mut Value) {
        match place {
            Value::Array(items) if !items.is_empty() => {
                items.remove(self.below(items.len()));
            }
            Value::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(self.below(fields.len())).cloned();
                fields.remove(&key.unwrap_or_default());
            }
            other => *other = Value::Null,
        }
    }

    fn multiply(&mut self, place: &mut Value) {
        let times = *self.pick(&[1usize, 3, 50, 3000]);
        match place {
            Value::Array(items) => {
                if let Some(item) = items.last().cloned() {
                    let room = crate::LARGEST / 4 / item.to_string().len().max(1);
                    items.extend(std::iter::repeat_n(item, times.min(room)));
                }
            }
            Value::Object(fields) => {
                let first = fields.values().next().cloned();
                let value = first.unwrap_or(Value::Null);
                let room = crate::LARGEST / 4 / value.to_string().len().max(8);
                for i in 0..times.min(room) {
                    fields.insert(format!("more{i}"), value.clone());
                }
            }
            other => *other = Value::Array(vec![other.clone(); times]),
        }
    }

    fn rename(&mut self, place: &mut Value) {
        if let Value::Object(fields) = place
            && !fields.is_empty()
        {
            let at = self.below(fields.len());
            let renamed: Map<String, Value> = std::mem::take(fields)
                .into_iter()
                .enumerate()
                .map(|(i, (key, value))| {
                    let key = if i == at { format!("{key}2") } else { key };
                    (key, value)
                })
                .collect();
            *fields = renamed;
        } else {
            *place = json!({"version": place.clone()});
        }
    }

    /// What JSON has no value for, or what a parser may stumble over.
    fn not_json(&mut self) -> String {
        match self.below(6) {
            0 => "NaN".into(),
            1 => "-Infinity".into(),
            2 => "1e999".into(),
            3 => "9".repeat(1 + self.below(400)),
            4 => {
                let depth = *self.pick(&[100usize, 127, 128, 5_000, 200_000]);
                "[".repeat(depth) + &"]".repeat(depth)
            }
            _ => {
                let depth = *self.pick(&[100usize, 5_000, 100_000]);
                "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)
            }
        }
    }

    /// A key that stands twice in its object.
    fn twice(&mut self, text: String) -> String {
        let keys: Vec<usize> = text.match_indices("\":").map(|(at, _)| at).collect();
        if keys.is_empty() {
            return text;
        }
        let end = keys[self.below(keys.len())];
        let Some(start) = text[..end].rfind('"') else {
            return text;
        };
        let value = self.edge(None);
        format!(
            "{}{}:{value},{}",
            &text[..start],
            &text[start..=end],
            &text[start..]
        )
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
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
        Value::Object(fields) => fields.values_mut().find_map(|item| node(item, left)),
        _ => None,
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(30).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_reached() {
        let mut value = json!({"a": [1, {"b": 2}], "c": 3});
        assert_eq!(nodes(&value), 6);
        let found: Vec<String> = (0..6)
            .map(|i| node(&mut value, &mut { i }).unwrap().to_string())
            .collect();
        assert_eq!(found[2..], ["1", "{\"b\":2}", "2", "3"]);
        assert!(node(&mut value, &mut 6).is_none());
    }
}
