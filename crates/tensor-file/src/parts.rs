//! State dicts as training programs save them: wrapped, and beside other objects.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, TensorFile};

/// Parts that `torch.compile`, FSDP and activation checkpointing put anywhere into a name.
const WRAPPERS: [&str; 3] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];
/// What `DataParallel` and averaged models put before every name.
const MODULE: &str = "module";

impl TensorFile<'_> {
    /// The first parts of the tensors' names, without what wrappers put before them. A checkpoint of several objects
    /// (`netG`, `params_ema`) has few; a state dict has its layers.
    pub fn keys(&self) -> Vec<String> {
        let keys: BTreeSet<String> = (self.tensors())
            .map(|tensor| {
                let name = unwrapped(tensor.name);
                let key = name.split_once('.').map(|(key, _)| key.to_owned());
                key.unwrap_or(name)
            })
            .collect();
        keys.into_iter().collect()
    }

    /// The parts of the file that hold a tensor called `name`: `state_dict`, `netG`, `optimizer.ema`; an empty key
    /// stands for the file itself. Wrappers' parts (`module.`, `_orig_mod.` and others) do not count.
    pub fn parts_with(&self, name: &str) -> Vec<String> {
        let keys: BTreeSet<String> = (self.tensors())
            .filter_map(|tensor| {
                // Without `module` at its beginning, so that only `KEY.module` remains.
                let whole = unwrapped(tensor.name);
                if whole == name {
                    return Some(String::new());
                }
                let key = whole.strip_suffix(name)?.strip_suffix('.')?;
                Some(key.strip_suffix(".module").unwrap_or(key).to_owned())
            })
            .collect();
        keys.into_iter().collect()
    }

    /// The tensors of a part: their names within it, without wrappers' parts, and their names in the file. The empty
    /// key gives all tensors.
    ///
    /// # Errors
    /// Returns [`Error::MissingPart`] if no tensor belongs to `key`, and [`Error::DuplicateTensor`] if two tensors have
    /// one name within it.
    pub fn part(&self, key: &str) -> Result<BTreeMap<String, String>, Error> {
        let mut names = BTreeMap::new();
        for tensor in self.tensors() {
            let whole = unwrapped(tensor.name);
            let within = match key {
                "" => Some(whole.as_str()),
                _ => whole.strip_prefix(key).and_then(|n| n.strip_prefix('.')),
            };
            let Some(within) = within else { continue };
            let within = within.strip_prefix("module.").unwrap_or(within);
            let twice = names.insert(within.to_owned(), tensor.name.to_owned());
            if let Some(other) = twice {
                return Err(Error::DuplicateTensor {
                    path: self.path().to_owned(),
                    name: tensor.name.to_owned(),
                    other,
                });
            }
        }
        if names.is_empty() && !key.is_empty() {
            return Err(Error::MissingPart {
                path: self.path().to_owned(),
                key: key.to_owned(),
                keys: listed(&self.keys()),
            });
        }
        Ok(names)
    }
}

/// A name without wrappers' parts.
fn unwrapped(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').filter(|p| !WRAPPERS.contains(p)).collect();
    let leading = parts.iter().take_while(|part| **part == MODULE).count();
    // A tensor of that name alone stays.
    parts[leading.min(parts.len().saturating_sub(1))..].join(".")
}

/// Keys for an error: the first dozen.
pub(crate) fn listed(keys: &[String]) -> String {
    const MOST: usize = 12;
    let mut text: Vec<String> = keys.iter().take(MOST).map(|k| format!("`{k}`")).collect();
    if keys.len() > MOST {
        text.push(format!("and {} more", keys.len() - MOST));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SafetensorsWriter;

    fn file(names: &[&str]) -> TensorFile<'static> {
        let mut writer = SafetensorsWriter::new();
        for name in names {
            writer.f32(name, &[1], &[0.0]).unwrap();
        }
        TensorFile::from_bytes("a.safetensors", writer.to_bytes().unwrap()).unwrap()
    }

    fn names(file: &TensorFile<'_>, key: &str) -> Vec<String> {
        file.part(key).unwrap().into_keys().collect()
    }

    #[test]
    fn wrappers_are_not_part_of_a_name() {
        let wrapped = file(&[
            "module._orig_mod.a.weight",
            "_orig_mod.module.b._checkpoint_wrapped_module.weight",
            "c._fsdp_wrapped_module.module.weight",
            "plain",
        ]);
        let expected = ["a.weight", "b.weight", "c.module.weight", "plain"];
        assert_eq!(names(&wrapped, ""), expected);
        assert_eq!(
            wrapped.part("").unwrap()["a.weight"],
            "module._orig_mod.a.weight"
        );
        assert_eq!(wrapped.keys(), ["a", "b", "c", "plain"]);
        assert_eq!(wrapped.parts_with("a.weight"), [""]);
        let module = file(&["module"]);
        assert_eq!(names(&module, ""), ["module"]);
    }

    #[test]
    fn parts_are_found_by_a_tensor() {
        let several = file(&[
            "netG._orig_mod.a.weight",
            "netD.module.b.weight",
            "state.ema.module.a.weight",
            "xa.weight",
            "submodule.a.weight",
        ]);
        assert_eq!(several.keys(), ["netD", "netG", "state", "submodule", "xa"]);
        assert_eq!(
            several.parts_with("a.weight"),
            ["netG", "state.ema", "submodule"]
        );
        assert!(several.parts_with("none").is_empty());
        assert_eq!(names(&several, "netG"), ["a.weight"]);
        assert_eq!(names(&several, "netD"), ["b.weight"]);
        assert_eq!(names(&several, "state.ema"), ["a.weight"]);
        let error = several.part("net").unwrap_err().to_string();
        assert!(
            error.contains("no `net`") && error.contains("`netD`, `netG`"),
            "{error}"
        );
    }

    #[test]
    fn names_that_become_one_are_refused() {
        let error = file(&["a.weight", "module.a.weight"]).part("").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`a.weight`") && text.contains("`module.a.weight`"),
            "{text}"
        );
        // Two copies under keys of their own are two parts.
        let copies = file(&["params.a", "params_ema.a"]);
        assert_eq!(copies.parts_with("a"), ["params", "params_ema"]);
    }

    #[test]
    fn many_keys_are_cut_off() {
        let keys: Vec<String> = (0..15).map(|n| n.to_string()).collect();
        assert!(listed(&keys).ends_with("`11`, and 3 more"));
    }
}
