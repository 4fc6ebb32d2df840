use std::collections::BTreeMap;
use std::path::Path;

use resumable_runs::read_text;
use serde_json::Value;

use super::result::order;
use super::workflow_error::WorkflowError;
use crate::Error;

/// Placeholders that the editor replaces itself.
const OWN: [&str; 6] = [
    "image",
    "prompt",
    "seed",
    "width",
    "height",
    "negative_prompt",
];
/// Levels of nesting that are followed; ComfyUI's API format has four.
const DEPTH: usize = 32;

/// A ComfyUI workflow in API format ("Export (API)"), with placeholders in its strings.
///
/// | placeholder | replaced by |
/// | --- | --- |
/// | `{{image}}` | the name of the uploaded photo, for `LoadImage` |
/// | `{{prompt}}`, `{{negative_prompt}}` | the texts |
/// | `{{seed}}` | the seed, as a number if it is the whole string |
/// | `{{width}}`, `{{height}}` | the working size, likewise |
/// | `{{NAME}}` | a variable given to [`Workflow::new`], such as a checkpoint's file name |
///
/// ```
/// use image_editors::Workflow;
///
/// let text = r#"{
///     "1": { "class_type": "LoadImage", "inputs": { "image": "{{image}}" } },
///     "2": { "class_type": "CLIPTextEncode", "inputs": { "text": "a {{prompt}}", "clip": ["3", 1] } }
/// }"#;
/// assert!(Workflow::new(text, &Default::default()).is_ok());
/// assert!(Workflow::new(&text.replace("{{prompt}}", "sketch"), &Default::default()).is_err());
/// # Ok::<(), image_editors::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    graph: Value,
}

/// The inputs of one run of a workflow.
pub(super) struct Inputs<'a> {
    pub(super) image: &'a str,
    pub(super) prompt: &'a str,
    pub(super) negative_prompt: &'a str,
    pub(super) seed: u64,
    pub(super) size: (u32, u32),
}

/// Refuses what is not an object of nodes with a class and inputs.
fn check_nodes(graph: &Value) -> Result<(), WorkflowError> {
    let nodes = graph.as_object().ok_or(WorkflowError::NotAnObject)?;
    if nodes.contains_key("nodes") && nodes.contains_key("links") {
        return Err(WorkflowError::InterfaceFormat);
    }
    for (id, node) in nodes {
        if !node.get("class_type").is_some_and(Value::is_string)
            || !node.get("inputs").is_some_and(Value::is_object)
        {
            return Err(WorkflowError::BadNode { node: id.clone() });
        }
    }
    Ok(())
}

impl Workflow {
    /// The image-to-image workflow that comes with this crate: checkpoint `{{checkpoint}}`, 25 steps, denoising strength
    /// 0.6.
    pub const IMAGE_TO_IMAGE: &str = include_str!("../../workflows/image_to_image.json");
    /// The InstructPix2Pix workflow that comes with this crate, with checkpoint `{{checkpoint}}`.
    pub const INSTRUCT_PIX2PIX: &str = include_str!("../../workflows/instruct_pix2pix.json");

    /// Reads a workflow from JSON and fills in `variables`.
    ///
    /// # Errors
    /// Returns a [`WorkflowError`] if the text is not a workflow in API format, has no `{{image}}` or `{{prompt}}`, or has a
    /// placeholder without a variable.
    pub fn new(json: &str, variables: &BTreeMap<String, String>) -> Result<Self, WorkflowError> {
        let mut graph: Value = serde_json::from_str(json).map_err(WorkflowError::Json)?;
        check_nodes(&graph)?;
        let mut seen = Vec::new();
        let mut missing = None;
        visit(&mut graph, 0, &mut |text| {
            let mut out = text.clone();
            for name in placeholders(text) {
                if let Some(value) = variables.get(&name) {
                    out = out.replace(&format!("{{{{{name}}}}}"), value);
                } else if !OWN.contains(&name.as_str()) {
                    missing.get_or_insert(name.clone());
                }
                seen.push(name);
            }
            (out != *text).then_some(Value::String(out))
        });
        if let Some(name) = missing {
            return Err(WorkflowError::MissingVariable { name });
        }
        for needed in ["image", "prompt"] {
            if !seen.iter().any(|name| name == needed) {
                return Err(WorkflowError::NoPlaceholder { name: needed });
            }
        }
        Ok(Self { graph })
    }

    /// [`new`](Self::new) of a file.
    ///
    /// # Errors
    /// Returns the errors of [`new`](Self::new), and [`Error::File`] if the file cannot be read.
    pub fn read(path: &Path, variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        Ok(Self::new(&read_text(path)?, variables)?)
    }

    /// Refuses an `output` that is no node, and several nodes that save an image if there is no `output`.
    pub(super) fn check_output(&self, output: Option<&str>) -> Result<(), WorkflowError> {
        let nodes = |keep: &dyn Fn(&Value) -> bool| {
            let all = self.graph.as_object().into_iter().flatten();
            let mut ids: Vec<String> = all
                .filter(|(_, node)| keep(node))
                .map(|(id, _)| id.clone())
                .collect();
            ids.sort_by_key(|id| order(id));
            ids
        };
        if let Some(output) = output {
            if self.graph.get(output).is_some() {
                return Ok(());
            }
            return Err(WorkflowError::NoOutputNode {
                node: output.to_owned(),
                nodes: nodes(&|_| true),
            });
        }
        let saves =
            nodes(&|node| node.get("class_type").and_then(Value::as_str) == Some("SaveImage"));
        if saves.len() > 1 {
            return Err(WorkflowError::SeveralSaveNodes { nodes: saves });
        }
        Ok(())
    }

    pub(super) fn graph(&self) -> &Value {
        &self.graph
    }

    pub(super) fn fill(&self, inputs: &Inputs<'_>) -> Value {
        let mut graph = self.graph.clone();
        visit(&mut graph, 0, &mut |text| match text.as_str() {
            "{{seed}}" => Some(inputs.seed.into()),
            "{{width}}" => Some(inputs.size.0.into()),
            "{{height}}" => Some(inputs.size.1.into()),
            _ if text.contains("{{") => Some(Value::String(fill_text(text, inputs))),
            _ => None,
        });
        graph
    }
}

/// Replaces the placeholders in one pass from left to right, so that braces in a prompt stay as they are.
fn fill_text(text: &str, inputs: &Inputs<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match name {
            "image" => out.push_str(inputs.image),
            "prompt" => out.push_str(inputs.prompt),
            "negative_prompt" => out.push_str(inputs.negative_prompt),
            "seed" => out.push_str(&inputs.seed.to_string()),
            "width" => out.push_str(&inputs.size.0.to_string()),
            "height" => out.push_str(&inputs.size.1.to_string()),
            other => out.push_str(&format!("{{{{{other}}}}}")),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn placeholders(text: &str) -> Vec<String> {
    text.split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"))
        .map(|(name, _)| name.to_owned())
        .filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect()
}

/// Calls `replace` with every string below `value`.
fn visit(value: &mut Value, depth: usize, replace: &mut impl FnMut(&String) -> Option<Value>) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::String(text) => {
            if let Some(new) = replace(text) {
                *value = new;
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| visit(item, depth + 1, replace)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|item| visit(item, depth + 1, replace)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> BTreeMap<String, String> {
        BTreeMap::from([("checkpoint".to_owned(), "sd15.safetensors".to_owned())])
    }

    #[test]
    fn shipped_workflows_fill() {
        for text in [Workflow::IMAGE_TO_IMAGE, Workflow::INSTRUCT_PIX2PIX] {
            let workflow = Workflow::new(text, &checkpoint()).unwrap();
            let filled = workflow
                .fill(&Inputs {
                    image: "a.png",
                    prompt: "a {{seed}} sketch",
                    negative_prompt: "",
                    seed: 7,
                    size: (512, 512),
                })
                .to_string();
            assert!(filled.contains("\"seed\":7"), "{filled}");
            // Placeholders in a prompt are not replaced.
            assert!(filled.contains("a {{seed}} sketch"), "{filled}");
            assert!(filled.contains("sd15.safetensors") && filled.contains("a.png"));
        }
    }

    #[test]
    fn the_output_is_known_before_anything_is_sent() {
        let text = Workflow::IMAGE_TO_IMAGE.trim_end().trim_end_matches('}');
        let check = |more: &str, output| {
            let text = format!("{text}, {more} }}");
            let workflow = Workflow::new(&text, &checkpoint()).unwrap();
            workflow
                .check_output(output)
                .map_err(|error| error.to_string())
        };
        let save =
            "\"10\": { \"class_type\": \"SaveImage\", \"inputs\": { \"images\": [\"7\", 0] } }";
        let show = save.replace("SaveImage", "PreviewImage");
        let error = check(save, None).unwrap_err();
        assert!(
            error.contains("nodes 8, 10") && error.contains("output_node"),
            "{error}"
        );
        check(save, Some("10")).unwrap();
        check(&show, None).unwrap();
        check(&show, Some("10")).unwrap();
        let error = check(save, Some("11")).unwrap_err();
        assert!(error.contains("1, 2, 3, 4, 5, 6, 7, 8, 10"), "{error}");
    }

    #[test]
    fn bad_workflows_are_refused() {
        let message =
            |text: &str, variables| Workflow::new(text, &variables).unwrap_err().to_string();
        assert!(message(Workflow::IMAGE_TO_IMAGE, BTreeMap::new()).contains("{{checkpoint}}"));
        assert!(message("[]", checkpoint()).contains("object"));
        assert!(message("{\"nodes\": [], \"links\": []}", checkpoint()).contains("Export (API)"));
        assert!(message("{\"1\": {}}", checkpoint()).contains("class_type"));
        assert!(message("{", checkpoint()).contains("not JSON"));
    }
}
